#include "actor/env_spec.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/spec.h"

/* Of the first tables of this ABI: up to close(). */
#define OPS_BYTES_MIN offsetof(struct pawl_env_ops, expert)

_Static_assert(PAWL_ENV_BOOL == (int)PAWL_BOOL && PAWL_ENV_U8 == (int)PAWL_U8 &&
                   PAWL_ENV_I32 == (int)PAWL_I32 && PAWL_ENV_I64 == (int)PAWL_I64 &&
                   PAWL_ENV_F32 == (int)PAWL_F32,
               "an environment's types have the numbers of a record's");
_Static_assert(PAWL_ENV_RANK_MAX == PAWL_SPEC_RANK_MAX, "every field fits into a record");
_Static_assert(PAWL_ENV_NAME_MAX + sizeof("obs.") <= PAWL_SPEC_NAME_BYTES, "likewise");

struct pawl_env_args pawl_env_default_args(void)
{
    return (struct pawl_env_args){.abi = PAWL_ENV_ABI, .size = sizeof(struct pawl_env_args)};
}

int pawl_env_ops_check(const struct pawl_env_ops *ops, struct pawl_err *err)
{
    if (!ops)
        return pawl_err_set(err, EINVAL, "the environment has no table of functions");
    if (ops->abi != PAWL_ENV_ABI)
        return pawl_err_set(err, EINVAL,
                            "the environment was compiled for version %u of actor/env.h, this "
                            "program has %u: compile it again",
                            ops->abi, PAWL_ENV_ABI);
    if (ops->size < OPS_BYTES_MIN)
        return pawl_err_set(err, EINVAL,
                            "the environment's table has %u bytes, this program needs %zu: "
                            "compile it again",
                            ops->size, OPS_BYTES_MIN);
    if (!ops->name || !ops->name[0] || !ops->help)
        return pawl_err_set(err, EINVAL, "the environment has no name or no help");
    const char *missing = !ops->spec    ? "spec"
                          : !ops->open  ? "open"
                          : !ops->reset ? "reset"
                          : !ops->step  ? "step"
                          : !ops->close ? "close"
                                        : NULL;
    if (missing)
        return pawl_err_set(err, EINVAL, "environment %s: its table has no %s()", ops->name,
                            missing);
    return 0;
}

bool pawl_env_has_expert(const struct pawl_env_ops *ops)
{
    return ops->size >= offsetof(struct pawl_env_ops, expert) + sizeof(ops->expert) &&
           ops->expert;
}

size_t pawl_env_field_count(const struct pawl_env_field *field)
{
    size_t count = 1;

    for (uint32_t i = 0; i < field->rank; i++)
        count *= field->shape[i];
    return count;
}

size_t pawl_env_field_bytes(const struct pawl_env_field *field)
{
    return pawl_env_field_count(field) * pawl_dtype_bytes((enum pawl_dtype)field->dtype);
}

static bool has_scalar_bounds(const struct pawl_env_field *field)
{
    return field->low != 0.0f || field->high != 0.0f;
}

float pawl_env_field_low(const struct pawl_env_field *field, size_t index)
{
    if (field->lows)
        return field->lows[index];
    return has_scalar_bounds(field) ? field->low : -INFINITY;
}

float pawl_env_field_high(const struct pawl_env_field *field, size_t index)
{
    if (field->highs)
        return field->highs[index];
    return has_scalar_bounds(field) ? field->high : INFINITY;
}

struct pawl_env_scale pawl_env_scale_of(const struct pawl_env_spec *spec, size_t index)
{
    float low = pawl_env_field_low(&spec->action, index);
    float high = pawl_env_field_high(&spec->action, index);
    /* Halved first: the difference of two large bounds may be infinite. */
    return (struct pawl_env_scale){
        .low = low,
        .high = high,
        .middle = 0.5f * high + 0.5f * low,
        .half = 0.5f * high - 0.5f * low,
    };
}

static bool is_choice(const struct pawl_env_spec *spec, size_t index)
{
    return spec->choice_count != 0 && index == pawl_env_field_count(&spec->action) - 1;
}

void pawl_env_action_from_units(float *action, const struct pawl_env_spec *spec,
                                const float *units)
{
    for (size_t i = 0; i < pawl_env_field_count(&spec->action); i++) {
        const struct pawl_env_scale scale = pawl_env_scale_of(spec, i);
        action[i] = is_choice(spec, i) ? units[i] : pawl_env_scale_from_unit(&scale, units[i]);
    }
}

void pawl_env_action_to_units(float *units, const struct pawl_env_spec *spec,
                              const float *action)
{
    for (size_t i = 0; i < pawl_env_field_count(&spec->action); i++) {
        const struct pawl_env_scale scale = pawl_env_scale_of(spec, i);
        units[i] = is_choice(spec, i) ? action[i] : pawl_env_scale_to_unit(&scale, action[i]);
    }
}

void pawl_env_field_type_text(const struct pawl_env_field *field,
                              char text[PAWL_ENV_TYPE_TEXT_BYTES])
{
    const char *name = pawl_dtype_name((enum pawl_dtype)field->dtype);
    int length = snprintf(text, PAWL_ENV_TYPE_TEXT_BYTES, "%s", name ? name : "?");

    for (uint32_t i = 0; i < field->rank; i++)
        length += snprintf(text + length, PAWL_ENV_TYPE_TEXT_BYTES - (size_t)length, "%c%u",
                           i == 0 ? '[' : ',', field->shape[i]);
    if (field->rank)
        snprintf(text + length, PAWL_ENV_TYPE_TEXT_BYTES - (size_t)length, "]");
}

/* The rules of a record's field are the rules here: it is tried in one. */
static int check_field(struct pawl_spec *record, const struct pawl_env_field *field,
                       const char *prefix, struct pawl_err *err)
{
    char name[PAWL_SPEC_NAME_BYTES];

    if (!field->name || strnlen(field->name, PAWL_ENV_NAME_MAX + 1) > PAWL_ENV_NAME_MAX)
        return pawl_err_set(err, EINVAL,
                            "a field of %s has no name, or one of more than %u letters",
                            prefix[0] ? "the observation" : "the action", PAWL_ENV_NAME_MAX);
    snprintf(name, sizeof(name), "%s%s", prefix, field->name);
    if (field->dtype != PAWL_ENV_BOOL && field->dtype != PAWL_ENV_U8 &&
        field->dtype != PAWL_ENV_I32 && field->dtype != PAWL_ENV_I64 &&
        field->dtype != PAWL_ENV_F32)
        return pawl_err_set(err, EINVAL,
                            "field '%s': type %u; there are bool (%d), uint8 (%d), int32 (%d), "
                            "int64 (%d) and float32 (%d)",
                            name, field->dtype, PAWL_ENV_BOOL, PAWL_ENV_U8, PAWL_ENV_I32,
                            PAWL_ENV_I64, PAWL_ENV_F32);
    if (pawl_spec_add(record, name, (enum pawl_dtype)field->dtype, field->rank, field->shape,
                      err) != 0)
        return err ? -err->code : -EINVAL;
    if (!field->lows != !field->highs)
        return pawl_err_set(err, EINVAL, "field '%s': one of lows and highs, but not the other",
                            name);
    size_t count = field->lows ? pawl_env_field_count(field) : 1;
    for (size_t i = 0; i < count; i++) {
        float low = pawl_env_field_low(field, i), high = pawl_env_field_high(field, i);
        if (!(low <= high))
            return pawl_err_set(err, EINVAL, "field '%s', number %zu: bounds %g .. %g", name, i,
                                (double)low, (double)high);
    }
    return 0;
}

static int check_action(const struct pawl_env_spec *spec, struct pawl_err *err)
{
    const struct pawl_env_field *action = &spec->action;

    if (action->dtype != PAWL_ENV_F32 || action->rank != 1)
        return pawl_err_set(err, EINVAL, "an action is a list of float32");
    size_t count = pawl_env_field_count(action);
    if (count > PAWL_ENV_ACTIONS_MAX)
        return pawl_err_set(err, EINVAL, "an action of %zu numbers; at most %u", count,
                            PAWL_ENV_ACTIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        float low = pawl_env_field_low(action, i), high = pawl_env_field_high(action, i);
        if (!isfinite(low) || !isfinite(high) || low >= high)
            return pawl_err_set(err, EINVAL,
                                "number %zu of the action: bounds %g .. %g; they have to be "
                                "finite and apart",
                                i, (double)low, (double)high);
    }
    if (!spec->choice_count)
        return 0;
    float last_low = pawl_env_field_low(action, count - 1);
    float last_high = pawl_env_field_high(action, count - 1);
    if (spec->choice_count < 2 || spec->choice_count > 1u << 24 || last_low != 0.0f ||
        last_high != (float)(spec->choice_count - 1))
        return pawl_err_set(err, EINVAL,
                            "a choice among %u with bounds %g .. %g: there are at least 2, and "
                            "the bounds are 0 and their number less 1",
                            spec->choice_count, (double)last_low, (double)last_high);
    return 0;
}

int pawl_env_spec_check(const struct pawl_env_spec *spec, struct pawl_err *err)
{
    struct pawl_spec record = {0};

    if (spec->obs_count < 1 || spec->obs_count > PAWL_ENV_FIELDS_MAX)
        return pawl_err_set(err, EINVAL, "an observation of %u fields; 1 to %u",
                            spec->obs_count, PAWL_ENV_FIELDS_MAX);
    for (uint32_t i = 0; i < spec->obs_count; i++) {
        int code = check_field(&record, &spec->obs[i], "obs.", err);
        if (code != 0)
            return code;
    }
    if (!spec->action.name || strcmp(spec->action.name, "action") != 0)
        return pawl_err_set(err, EINVAL, "the name of the action is \"action\"");
    int code = check_field(&record, &spec->action, "", err);
    if (code == 0)
        code = check_action(spec, err);
    if (code != 0)
        return code;
    if (spec->camera_count > PAWL_ENV_CAMERAS_MAX)
        return pawl_err_set(err, EINVAL, "%u cameras; at most %u", spec->camera_count,
                            PAWL_ENV_CAMERAS_MAX);
    if (!isfinite(spec->rate_hz) || spec->rate_hz < 0.0f)
        return pawl_err_set(err, EINVAL, "a rate of %g steps per second",
                            (double)spec->rate_hz);
    return 0;
}

int pawl_env_spec_read(struct pawl_env_spec *spec, const struct pawl_env_ops *ops,
                       const struct pawl_env_args *args, struct pawl_err *err)
{
    struct pawl_env_err why = {{0}};

    *spec = (struct pawl_env_spec){.abi = PAWL_ENV_ABI, .size = sizeof(*spec)};
    int code = ops->spec(args, spec, &why);
    if (code != 0) {
        why.text[sizeof(why.text) - 1] = '\0';
        return pawl_err_set(err, code < 0 ? -code : EIO, "environment %s: %s", ops->name,
                            why.text[0] ? why.text : strerror(code < 0 ? -code : EIO));
    }
    if (pawl_env_spec_check(spec, err) != 0)
        return pawl_err_wrap(err, "environment %s", ops->name);
    if ((spec->flags & PAWL_ENV_REALTIME) && !ops->safe)
        return pawl_err_set(err, EINVAL,
                            "environment %s: PAWL_ENV_REALTIME, but its table has no safe()",
                            ops->name);
    if (spec->camera_count && !ops->render)
        return pawl_err_set(err, EINVAL,
                            "environment %s: %u cameras, but its table has no render()",
                            ops->name, spec->camera_count);
    return 0;
}

#define BLOCK_COUNT 8

/* True when an exponent is all ones: infinite or not a number. Such bits, without the sign and
 * with one more in the exponent's last place, reach the sign; so one OR over all numbers
 * tells, which a compiler makes into vectors. */
static bool has_not_finite(const void *numbers, size_t count)
{
    const unsigned char *at = numbers;
    uint32_t bits[BLOCK_COUNT], seen[BLOCK_COUNT] = {0}, any = 0;

    if (count < BLOCK_COUNT) {
        for (size_t i = 0; i < count; i++) {
            memcpy(bits, at + i * sizeof(bits[0]), sizeof(bits[0]));
            any |= (bits[0] & 0x7fffffffu) + 0x00800000u;
        }
        return any >> 31;
    }
    /* The last block ends with the last number and may overlap the one before. */
    const unsigned char *last = at + (count - BLOCK_COUNT) * sizeof(bits[0]);
    for (bool is_last = false; !is_last; at += sizeof(bits)) {
        is_last = at >= last;
        memcpy(bits, is_last ? last : at, sizeof(bits));
        for (int i = 0; i < BLOCK_COUNT; i++)
            seen[i] |= (bits[i] & 0x7fffffffu) + 0x00800000u;
    }
    for (int i = 0; i < BLOCK_COUNT; i++)
        any |= seen[i];
    return any >> 31;
}

static bool has_no_bool(const void *numbers, size_t count)
{
    const uint8_t *bytes = numbers;
    uint8_t any = 0;

    for (size_t i = 0; i < count; i++)
        any |= bytes[i];
    return any > 1;
}

int pawl_env_obs_find_bad(const struct pawl_env_spec *spec, void *const *obs)
{
    for (uint32_t i = 0; i < spec->obs_count; i++) {
        const struct pawl_env_field *field = &spec->obs[i];
        if (field->dtype == PAWL_ENV_F32 && has_not_finite(obs[i], pawl_env_field_count(field)))
            return (int)i;
        if (field->dtype == PAWL_ENV_BOOL && has_no_bool(obs[i], pawl_env_field_count(field)))
            return (int)i;
    }
    return -1;
}

/* The numbers of all types as doubles; an int64 beyond 2^53 loses digits that no bound has. */
static double number_at(const struct pawl_env_field *field, const void *numbers, size_t index)
{
    switch ((enum pawl_env_dtype)field->dtype) {
    case PAWL_ENV_F32: {
        float value;
        memcpy(&value, (const float *)numbers + index, sizeof(value));
        return (double)value;
    }
    case PAWL_ENV_I32:
        return ((const int32_t *)numbers)[index];
    case PAWL_ENV_I64:
        return (double)((const int64_t *)numbers)[index];
    case PAWL_ENV_BOOL:
    case PAWL_ENV_U8:
        break;
    }
    return ((const uint8_t *)numbers)[index];
}

static bool is_outside(const struct pawl_env_field *field, const void *numbers, size_t index)
{
    double value = number_at(field, numbers, index);

    if (field->dtype == PAWL_ENV_BOOL && value > 1.0)
        return true;
    return !(isfinite(value) && value >= (double)pawl_env_field_low(field, index) &&
             value <= (double)pawl_env_field_high(field, index));
}

int pawl_env_obs_find_outside(const struct pawl_env_spec *spec, void *const *obs)
{
    for (uint32_t i = 0; i < spec->obs_count; i++) {
        size_t count = pawl_env_field_count(&spec->obs[i]);
        for (size_t j = 0; j < count; j++)
            if (is_outside(&spec->obs[i], obs[i], j))
                return (int)i;
    }
    return -1;
}

int pawl_env_obs_explain(const struct pawl_env_spec *spec, void *const *obs, int field_index,
                         struct pawl_err *err)
{
    const struct pawl_env_field *field = &spec->obs[field_index];
    size_t count = pawl_env_field_count(field);

    for (size_t i = 0; i < count; i++) {
        double value = number_at(field, obs[field_index], i);
        if (!isfinite(value))
            return pawl_err_set(err, EINVAL, "obs.%s[%zu] is %g, not a finite number",
                                field->name, i, value);
        if (field->dtype == PAWL_ENV_BOOL && value > 1.0)
            return pawl_err_set(err, EINVAL, "obs.%s[%zu] is %g, a bool is 0 or 1", field->name,
                                i, value);
        if (is_outside(field, obs[field_index], i))
            return pawl_err_set(err, EINVAL, "obs.%s[%zu] is %.9g, outside %.9g .. %.9g",
                                field->name, i, value, (double)pawl_env_field_low(field, i),
                                (double)pawl_env_field_high(field, i));
    }
    return pawl_err_set(err, EINVAL, "obs.%s is as it should be", field->name);
}

bool pawl_env_step_is_sane(const struct pawl_env_step *step)
{
    return isfinite(step->reward) && isfinite(step->discrete_penalty) &&
           step->terminated <= 1 && step->truncated <= 1 && step->success <= 1 &&
           step->intervention <= 1;
}
