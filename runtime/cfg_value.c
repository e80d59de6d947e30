/* cfg_value.c: one value against its row: type, range, and what to say when it does not fit. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "runtime/cfg_internal.h"

/* Integers up to here are exact as floats, so `1e6` may stand for a whole number. */
#define WHOLE_F64_MAX 9007199254740992.0 /* 2^53 */

/* Why a value was refused. */
struct complaint {
    bool is_type;        /* it is of another type: `wanted` and `got` say which */
    const char *wanted;  /* "a whole number" */
    char got[64];        /* as people read it */
    char text[384];      /* otherwise: "must be ..., got ..." */
    char hint[160];      /* "" for none */
    int item_index;      /* in a list; -1: the value itself */
    uint32_t node_index; /* what the caret points at */
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct complaint *complaint,
                                                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(complaint->text, sizeof(complaint->text), format, args);
    va_end(args);
    return false;
}

static void describe(const struct pawl_toml_node *node, char *text, size_t text_bytes)
{
    char plain[40];

    switch (node->type) {
    case PAWL_TOML_TABLE:
        snprintf(text, text_bytes, "a table");
        break;
    case PAWL_TOML_LIST:
        snprintf(text, text_bytes, "a list");
        break;
    case PAWL_TOML_TEXT:
        pawl_text_plain(node->text, node->text_bytes, plain, sizeof(plain));
        snprintf(text, text_bytes, "\"%s\"", plain);
        break;
    case PAWL_TOML_I64:
        snprintf(text, text_bytes, "%" PRId64, node->i64);
        break;
    case PAWL_TOML_F64:
        pawl_text_f64(plain, node->f64, PAWL_TEXT_F64_FOR_PEOPLE);
        snprintf(text, text_bytes, "%s", plain);
        break;
    case PAWL_TOML_BOOL:
        snprintf(text, text_bytes, node->is_true ? "true" : "false");
        break;
    case PAWL_TOML_TIME:
        snprintf(text, text_bytes, "a date or time");
        break;
    }
}

static bool refuse_type(struct complaint *complaint, const char *wanted,
                        const struct pawl_toml_node *node)
{
    complaint->is_type = true;
    complaint->wanted = wanted;
    describe(node, complaint->got, sizeof(complaint->got));
    return false;
}

static bool refuse_range(struct complaint *complaint, const struct pawl_cfg_row *row,
                         const char *got)
{
    char low[PAWL_TEXT_F64_BYTES], high[PAWL_TEXT_F64_BYTES];
    const char *what = row->flags & PAWL_CFG_IS_POWER_OF_TWO ? "a power of two, " : "";

    pawl_cfg_low_text(row, low);
    pawl_cfg_high_text(row, high);
    if (pawl_cfg_has_low(row) && pawl_cfg_has_high(row))
        return refuse(complaint, "must be %sbetween %s and %s, got %s",
                      *what ? "a power of two " : "", low, high, got);
    if (pawl_cfg_has_low(row))
        return refuse(complaint, "must be %sat least %s, got %s", what, low, got);
    return refuse(complaint, "must be %sat most %s, got %s", what, high, got);
}

static bool is_power_of_two(int64_t i64)
{
    return i64 > 0 && (i64 & (i64 - 1)) == 0;
}

static int64_t nearest_power_of_two(const struct pawl_cfg_row *row, int64_t i64)
{
    int64_t power = 1;

    if (i64 < row->min.i64)
        i64 = row->min.i64;
    if (i64 > row->max.i64)
        i64 = row->max.i64;
    while (power <= i64 / 2)
        power *= 2;
    bool is_next_nearer = power <= row->max.i64 / 2 && 2 * power - i64 <= i64 - power;
    if (power < row->min.i64 || is_next_nearer)
        power *= 2;
    return power;
}

static bool check_i64(const struct pawl_cfg_row *row, int64_t i64, struct complaint *complaint)
{
    char got[PAWL_TEXT_F64_BYTES];
    bool is_power = row->flags & PAWL_CFG_IS_POWER_OF_TWO;

    if (i64 >= row->min.i64 && i64 <= row->max.i64 && (!is_power || is_power_of_two(i64)))
        return true;
    if (is_power)
        snprintf(complaint->hint, sizeof(complaint->hint), "nearest: %" PRId64,
                 nearest_power_of_two(row, i64));
    snprintf(got, sizeof(got), "%" PRId64, i64);
    return refuse_range(complaint, row, got);
}

static bool check_f64(const struct pawl_cfg_row *row, double f64, struct complaint *complaint)
{
    char got[PAWL_TEXT_F64_BYTES];

    if (isfinite(f64) && f64 >= row->min.f64 && f64 <= row->max.f64)
        return true;
    pawl_text_f64(got, f64, PAWL_TEXT_F64_FOR_PEOPLE);
    if (!isfinite(f64))
        return refuse(complaint, "must be a finite number, got %s", got);
    return refuse_range(complaint, row, got);
}

static bool check_text(const char *text, size_t text_bytes, size_t room_bytes,
                       bool is_empty_fine, struct complaint *complaint)
{
    if (memchr(text, '\0', text_bytes))
        return refuse(complaint, "must not hold a NUL character");
    if (text_bytes >= room_bytes)
        return refuse(complaint, "must have at most %zu bytes, got %zu", room_bytes - 1,
                      text_bytes);
    if (text_bytes == 0 && !is_empty_fine)
        return refuse(complaint, "must not be empty");
    if (!pawl_text_is_utf8(text, text_bytes))
        return refuse(complaint, "must be UTF-8");
    return true;
}

static bool read_choice(const struct pawl_cfg_row *row, const char *text, size_t text_bytes,
                        int32_t *choice, struct complaint *complaint)
{
    int32_t count = 0;

    for (; row->choices[count]; count++)
        if (strlen(row->choices[count]) == text_bytes &&
            memcmp(row->choices[count], text, text_bytes) == 0) {
            *choice = count;
            return true;
        }

    char allowed[256], got[64];
    pawl_cfg_row_allowed(row, allowed, sizeof(allowed));
    pawl_text_plain(text, text_bytes, got, sizeof(got));
    const char *near = pawl_cfg_nearest(got, row->choices, (size_t)count);
    if (near)
        snprintf(complaint->hint, sizeof(complaint->hint), "did you mean \"%s\"?", near);
    return refuse(complaint, "must be %s, got \"%s\"", allowed, got);
}

static bool read_i64(const struct pawl_cfg_row *row, const struct pawl_toml_node *node,
                     int64_t *i64, struct complaint *complaint)
{
    if (node->type == PAWL_TOML_I64)
        *i64 = node->i64;
    else if (node->type == PAWL_TOML_F64 && fabs(node->f64) <= WHOLE_F64_MAX &&
             node->f64 == floor(node->f64))
        *i64 = (int64_t)node->f64;
    else
        return refuse_type(complaint, "a whole number", node);
    return check_i64(row, *i64, complaint);
}

static bool read_f64(const struct pawl_cfg_row *row, const struct pawl_toml_node *node,
                     double *f64, struct complaint *complaint)
{
    if (node->type == PAWL_TOML_F64)
        *f64 = node->f64;
    else if (node->type == PAWL_TOML_I64)
        *f64 = (double)node->i64;
    else
        return refuse_type(complaint, "a number", node);
    return check_f64(row, *f64, complaint);
}

static bool read_text_item(const struct pawl_toml_node *node, char *text,
                           struct complaint *complaint)
{
    if (node->type != PAWL_TOML_TEXT)
        return refuse_type(complaint, "a text in quotes", node);
    if (!check_text(node->text, node->text_bytes, PAWL_CFG_LIST_TEXT_BYTES, true, complaint))
        return false;
    memcpy(text, node->text, node->text_bytes + 1);
    return true;
}

/* All three lists begin with their count. */
static bool read_list(const struct pawl_cfg_row *row, const struct pawl_toml *toml,
                      uint32_t node_index, void *field, struct complaint *complaint)
{
    const struct pawl_toml_node *node = &toml->nodes[node_index];
    struct pawl_cfg_i64_list *i64s = field;
    struct pawl_cfg_f64_list *f64s = field;
    struct pawl_cfg_text_list *texts = field;
    uint32_t room =
        row->type == PAWL_CFG_TEXT_LIST ? PAWL_CFG_LIST_TEXT_MAX : PAWL_CFG_LIST_ITEM_MAX;
    uint32_t count = 0;

    if (node->type != PAWL_TOML_LIST)
        return refuse_type(complaint, pawl_cfg_type_name(row), node);
    if (node->child_count > room)
        return refuse(complaint, "must have at most %u items, got %u", room, node->child_count);
    if (node->child_count == 0 && (row->flags & PAWL_CFG_IS_NOT_EMPTY))
        return refuse(complaint, "must not be empty");

    for (uint32_t i = pawl_toml_first(toml, node_index); i; i = pawl_toml_next(toml, i)) {
        const struct pawl_toml_node *item = &toml->nodes[i];

        complaint->item_index = (int)count;
        complaint->node_index = i;
        bool is_good = row->type == PAWL_CFG_I64_LIST
                           ? read_i64(row, item, &i64s->items[count], complaint)
                       : row->type == PAWL_CFG_F64_LIST
                           ? read_f64(row, item, &f64s->items[count], complaint)
                           : read_text_item(item, texts->items[count], complaint);
        if (!is_good)
            return false;
        count++;
    }
    memcpy(field, &count, sizeof(count));
    return true;
}

/* A list that was refused half way must leave the field as it was. */
static bool replace_list(const struct pawl_cfg_row *row, const struct pawl_toml *toml,
                         uint32_t node_index, void *field, struct complaint *complaint)
{
    union {
        struct pawl_cfg_i64_list i64s;
        struct pawl_cfg_f64_list f64s;
        struct pawl_cfg_text_list texts;
    } list = {0};

    if (!read_list(row, toml, node_index, &list, complaint))
        return false;
    memcpy(field, &list, row->field_bytes);
    return true;
}

static bool read_string(const struct pawl_cfg_row *row, const char *text, size_t text_bytes,
                        void *field, struct complaint *complaint)
{
    if (row->type == PAWL_CFG_CHOICE)
        return read_choice(row, text, text_bytes, field, complaint);
    if (!check_text(text, text_bytes, row->field_bytes, !(row->flags & PAWL_CFG_IS_NOT_EMPTY),
                    complaint))
        return false;
    memset(field, 0, row->field_bytes);
    memcpy(field, text, text_bytes);
    return true;
}

static bool read_value(const struct pawl_cfg_row *row, const struct pawl_toml *toml,
                       uint32_t node_index, void *fields, struct complaint *complaint)
{
    const struct pawl_toml_node *node = &toml->nodes[node_index];
    void *field = (char *)fields + row->offset;
    int64_t i64;
    double f64;

    *complaint = (struct complaint){.item_index = -1, .node_index = node_index};
    switch (row->type) {
    case PAWL_CFG_BOOL:
        if (node->type != PAWL_TOML_BOOL)
            return refuse_type(complaint, pawl_cfg_type_name(row), node);
        *(bool *)field = node->is_true;
        return true;
    case PAWL_CFG_I64:
        if (!read_i64(row, node, &i64, complaint))
            return false;
        *(int64_t *)field = i64;
        return true;
    case PAWL_CFG_F64:
        if (!read_f64(row, node, &f64, complaint))
            return false;
        *(double *)field = f64;
        return true;
    case PAWL_CFG_TEXT:
    case PAWL_CFG_CHOICE:
        if (node->type != PAWL_TOML_TEXT)
            return refuse_type(complaint, pawl_cfg_type_name(row), node);
        return read_string(row, node->text, node->text_bytes, field, complaint);
    default:
        return replace_list(row, toml, node_index, field, complaint);
    }
}

static bool default_list(const struct pawl_cfg_row *row, void *fields)
{
    char text[1024];
    struct pawl_toml toml;
    struct pawl_toml_place place;
    struct complaint complaint;

    int length = snprintf(text, sizeof(text), "v = %s", row->standard_text);
    if (length >= (int)sizeof(text) ||
        pawl_toml_open(&toml, text, (size_t)length, &place, NULL) != 0)
        return false;
    bool is_good = toml.node_count > 1 && read_value(row, &toml, 1, fields, &complaint);
    pawl_toml_close(&toml);
    return is_good;
}

bool pawl_cfg_row_default(const struct pawl_cfg_row *row, void *fields)
{
    void *field = (char *)fields + row->offset;
    struct complaint complaint;
    int32_t choice_count = 0;

    switch (row->type) {
    case PAWL_CFG_BOOL:
        *(bool *)field = row->standard.i64 != 0;
        return true;
    case PAWL_CFG_I64:
        *(int64_t *)field = row->standard.i64;
        return check_i64(row, row->standard.i64, &complaint);
    case PAWL_CFG_F64:
        *(double *)field = row->standard.f64;
        return check_f64(row, row->standard.f64, &complaint);
    case PAWL_CFG_TEXT:
        return read_string(row, row->standard_text, strlen(row->standard_text), field,
                           &complaint);
    case PAWL_CFG_CHOICE:
        while (row->choices[choice_count])
            choice_count++;
        *(int32_t *)field = (int32_t)row->standard.i64;
        return row->standard.i64 >= 0 && row->standard.i64 < choice_count;
    default:
        return default_list(row, fields);
    }
}

static void add_default_hint(struct pawl_cfg_problem *problem, const struct pawl_cfg_row *row,
                             bool has_range)
{
    char allowed[256], standard[128];

    pawl_cfg_row_standard(row, standard, sizeof(standard));
    pawl_cfg_row_allowed(row, allowed, sizeof(allowed));
    if (has_range)
        pawl_cfg_problem_hint(problem, "default %s", standard);
    else
        pawl_cfg_problem_hint(problem, "allowed %s, default %s", allowed, standard);
}

/* The value of a word, which people write without the brackets of a list. */
static const char *word_value(const struct pawl_cfg_mark *mark)
{
    const char *equals = strchr(mark->word, '=');
    return mark->next_word ? mark->next_word : equals ? equals + 1 : "";
}

void pawl_cfg_value_wrong_type(struct pawl_cfg *cfg, struct pawl_cfg_slot *slot,
                               const char *got, const struct pawl_cfg_mark *mark)
{
    const struct pawl_cfg_row *row = slot->row;
    struct pawl_cfg_problem *problem;
    char subject[256], allowed[256];
    const char *wanted = pawl_cfg_type_name(row);

    if (row->type == PAWL_CFG_CHOICE) {
        pawl_cfg_row_allowed(row, allowed, sizeof(allowed));
        wanted = allowed;
    }
    pawl_cfg_mark_subject(mark, row->key, subject, sizeof(subject));
    if (mark->layer == PAWL_CFG_LAYER_FILE) {
        problem = pawl_cfg_problem_add(cfg, mark, slot, "%s must be %s, got %s", subject,
                                       wanted, got);
        add_default_hint(problem, row, row->type == PAWL_CFG_BOOL || wanted == allowed);
    } else {
        problem =
            pawl_cfg_problem_add(cfg, mark, slot, "%s is not %s%s%s%s", subject, wanted,
                                 *row->unit ? " (" : "", row->unit, *row->unit ? ")" : "");
        const char *value = word_value(mark);
        if (row->type >= PAWL_CFG_I64_LIST && *value && *value != '[' && strlen(value) < 64)
            pawl_cfg_problem_hint(problem, "a list has brackets: [%s]", value);
        else
            add_default_hint(problem, row, row->type == PAWL_CFG_BOOL || wanted == allowed);
    }
}

/* Turns a complaint into a problem. */
static void complain(struct pawl_cfg *cfg, struct pawl_cfg_slot *slot,
                     const struct pawl_cfg_mark *mark, const struct complaint *complaint)
{
    const struct pawl_cfg_row *row = slot->row;
    char name[PAWL_CFG_KEY_BYTES_MAX + 16], subject[256];

    if (complaint->is_type &&
        (complaint->item_index < 0 || mark->layer != PAWL_CFG_LAYER_FILE)) {
        pawl_cfg_value_wrong_type(cfg, slot, complaint->got, mark);
        return;
    }
    if (complaint->item_index >= 0)
        snprintf(name, sizeof(name), "%s[%d]", row->key, complaint->item_index);
    else
        snprintf(name, sizeof(name), "%s", row->key);
    pawl_cfg_mark_subject(mark, name, subject, sizeof(subject));

    struct pawl_cfg_problem *problem =
        complaint->is_type
            ? pawl_cfg_problem_add(cfg, mark, slot, "%s must be %s, got %s", subject,
                                   complaint->wanted, complaint->got)
            : pawl_cfg_problem_add(cfg, mark, slot, "%s %s", subject, complaint->text);
    if (*complaint->hint)
        pawl_cfg_problem_hint(problem, "%s", complaint->hint);
    else
        add_default_hint(problem, row, true);
}

void pawl_cfg_value_set(struct pawl_cfg *cfg, struct pawl_cfg_slot *slot,
                        const struct pawl_toml *toml, uint32_t node_index,
                        const struct pawl_cfg_mark *mark)
{
    struct complaint complaint;
    struct pawl_cfg_mark exact = *mark;

    if (read_value(slot->row, toml, node_index, slot->fields, &complaint)) {
        slot->mark = *mark;
        return;
    }
    if (mark->layer == PAWL_CFG_LAYER_FILE)
        exact.at = toml->nodes[complaint.node_index].value_at;
    complain(cfg, slot, &exact, &complaint);
}

void pawl_cfg_value_set_text(struct pawl_cfg *cfg, struct pawl_cfg_slot *slot, const char *text,
                             size_t text_bytes, const struct pawl_cfg_mark *mark)
{
    struct complaint complaint = {.item_index = -1};

    if (read_string(slot->row, text, text_bytes, (char *)slot->fields + slot->row->offset,
                    &complaint))
        slot->mark = *mark;
    else
        complain(cfg, slot, mark, &complaint);
}
