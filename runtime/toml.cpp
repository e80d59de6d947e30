#include "runtime/toml.h"

/* Compiled in here and nowhere else, so that our limits and sanitizers hold for it too. */
#define TOML_HEADER_ONLY           1
#define TOML_ENABLE_FORMATTERS     0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#define TOML_MAX_NESTED_VALUES     PAWL_TOML_NEST_MAX
#include <toml++/toml.h>

#include <cerrno>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace
{

struct owner {
    std::vector<pawl_toml_node> nodes;
    std::string pool; /* keys and texts; while it grows, nodes hold offsets into it */
    std::vector<size_t> key_offsets, text_offsets;
};

/* toml++ recurses over tables inside tables and does not bound the parts of a dotted key, so a
 * long one would end the process. This follows the text as far as it is TOML, which is as far
 * as toml++ follows it. */
class dot_counter
{
  public:
    explicit dot_counter(std::string_view text) : text_(text)
    {
    }

    /* True when a key has too many parts; the place is that of the first part too many. */
    bool finds_too_many(pawl_toml_place *place)
    {
        unsigned dot_count = 0;
        while (at_ < text_.size()) {
            switch (text_[at_]) {
            case '#':
                at_ = std::min(text_.find('\n', at_), text_.size());
                break;
            case '"':
            case '\'':
                skip_text(text_[at_]);
                break;
            case '.':
                at_++;
                if (++dot_count >= PAWL_TOML_KEY_PARTS_MAX) {
                    locate(place);
                    return true;
                }
                break;
            case '\n':
            case '=':
            case ',':
            case '[':
            case ']':
            case '{':
            case '}':
                dot_count = 0;
                at_++;
                break;
            default:
                at_++;
            }
        }
        return false;
    }

  private:
    std::string_view text_;
    size_t at_ = 0;

    void skip_text(char quote)
    {
        const char three[] = {quote, quote, quote, '\0'};
        const bool is_long = text_.substr(at_, 3) == three;

        at_ += is_long ? 3 : 1;
        while (at_ < text_.size()) {
            if (quote == '"' && text_[at_] == '\\') {
                at_ = std::min(at_ + 2, text_.size());
            } else if (!is_long && text_[at_] == '\n') {
                return;
            } else if (is_long ? text_.substr(at_, 3) == three : text_[at_] == quote) {
                at_ += is_long ? 3 : 1;
                return;
            } else {
                at_++;
            }
        }
    }

    void locate(pawl_toml_place *place) const
    {
        uint32_t line = 1, column = 1;
        for (size_t i = 0; i < at_; i++) {
            if (text_[i] == '\n') {
                line++;
                column = 1;
            } else if ((static_cast<unsigned char>(text_[i]) & 0xc0u) != 0x80u) {
                column++;
            }
        }
        *place = {line, column, line, column + 1};
    }
};

pawl_toml_place place_of(const toml::source_region &region)
{
    return {region.begin.line, region.begin.column, region.end.line, region.end.column};
}

size_t keep(owner &to, std::string_view text)
{
    size_t offset = to.pool.size();
    to.pool.append(text);
    to.pool.push_back('\0');
    return offset;
}

/* Depth is bounded: by the parts of a header, of a key, and PAWL_TOML_NEST_MAX times a key. */
void flatten(owner &to, const toml::node &from, const toml::key *key, uint32_t parent_index)
{
    const auto index = static_cast<uint32_t>(to.nodes.size());
    std::string_view text;
    pawl_toml_node node = {};

    node.parent_index = parent_index;
    node.value_at = place_of(from.source());
    if (key) {
        node.key_at = place_of(key->source());
        node.key_bytes = static_cast<uint32_t>(key->str().size());
    }
    if (const auto *value = from.as_string()) {
        node.type = PAWL_TOML_TEXT;
        text = value->get();
        node.text_bytes = static_cast<uint32_t>(text.size());
    } else if (const auto *i64 = from.as_integer()) {
        node.type = PAWL_TOML_I64;
        node.i64 = i64->get();
    } else if (const auto *f64 = from.as_floating_point()) {
        node.type = PAWL_TOML_F64;
        node.f64 = f64->get();
    } else if (const auto *boolean = from.as_boolean()) {
        node.type = PAWL_TOML_BOOL;
        node.is_true = boolean->get();
    } else if (!from.is_table() && !from.is_array()) {
        node.type = PAWL_TOML_TIME;
    }
    to.nodes.push_back(node);
    to.key_offsets.push_back(keep(to, key ? key->str() : std::string_view{}));
    to.text_offsets.push_back(keep(to, text));

    if (const auto *table = from.as_table()) {
        for (auto &&[child_key, child] : *table)
            flatten(to, child, &child_key, index);
        to.nodes[index].child_count = static_cast<uint32_t>(table->size());
    } else if (const auto *list = from.as_array()) {
        to.nodes[index].type = PAWL_TOML_LIST;
        for (auto &&child : *list)
            flatten(to, child, nullptr, index);
        to.nodes[index].child_count = static_cast<uint32_t>(list->size());
    }
    to.nodes[index].end_index = static_cast<uint32_t>(to.nodes.size());
}

int read(pawl_toml *toml, std::string_view text)
{
    const toml::table root = toml::parse(text);
    auto holder = std::make_unique<owner>();

    flatten(*holder, root, nullptr, 0);
    for (size_t i = 0; i < holder->nodes.size(); i++) {
        holder->nodes[i].key = holder->pool.data() + holder->key_offsets[i];
        holder->nodes[i].text = holder->pool.data() + holder->text_offsets[i];
    }
    toml->nodes = holder->nodes.data();
    toml->node_count = static_cast<uint32_t>(holder->nodes.size());
    toml->owner = holder.release();
    return 0;
}

int fail(const toml::parse_error &error, pawl_toml_place *place, pawl_err *err)
{
    /* "Error while parsing table header: cannot ...": the part that says what is wrong */
    std::string_view what = error.description();
    if (what.substr(0, 20) == "Error while parsing " && what.find(": ") != what.npos)
        what.remove_prefix(what.find(": ") + 2);
    *place = place_of(error.source());
    const bool is_again = what.substr(0, 24) == "cannot redefine existing";
    return pawl_err_set(err, is_again ? EEXIST : EINVAL, "%.*s", static_cast<int>(what.size()),
                        what.data());
}

} // namespace

int pawl_toml_open(pawl_toml *toml, const char *text, size_t text_bytes, pawl_toml_place *place,
                   pawl_err *err)
{
    *toml = {};
    *place = {1, 1, 1, 1};
    try {
        const std::string_view whole(text, text_bytes);
        if (text_bytes > PAWL_TOML_TEXT_BYTES_MAX)
            return pawl_err_set(err, E2BIG, "%zu bytes; the most is %u", text_bytes,
                                PAWL_TOML_TEXT_BYTES_MAX);
        if (dot_counter(whole).finds_too_many(place))
            return pawl_err_set(err, E2BIG, "a key of more than %d parts",
                                PAWL_TOML_KEY_PARTS_MAX);
        return read(toml, whole);
    } catch (const toml::parse_error &error) {
        return fail(error, place, err);
    } catch (const std::bad_alloc &) {
        return pawl_err_set(err, ENOMEM, "out of memory");
    } catch (const std::exception &error) {
        return pawl_err_set(err, EIO, "%s", error.what());
    } catch (...) {
        return pawl_err_set(err, EIO, "an exception of unknown type");
    }
}

void pawl_toml_close(pawl_toml *toml)
{
    delete static_cast<owner *>(toml->owner);
    *toml = {};
}

uint32_t pawl_toml_first(const pawl_toml *toml, uint32_t node_index)
{
    return toml->nodes[node_index].child_count ? node_index + 1 : 0;
}

uint32_t pawl_toml_next(const pawl_toml *toml, uint32_t node_index)
{
    const uint32_t next = toml->nodes[node_index].end_index;
    return next < toml->nodes[toml->nodes[node_index].parent_index].end_index ? next : 0;
}
