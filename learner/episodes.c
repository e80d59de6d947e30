#include "learner/episodes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/json.h"

#define LINE_BYTES_MAX                                                                         \
    512u /* of ours; longer ones are skipped with what the end then lacks                      \
          */

static int open_file(const char *run_path)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof(path), "%s/episodes.jsonl", run_path) >= sizeof(path))
        return -1;
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* True for a whole line of an episode that came to its end. */
static bool read_line(const char *line, size_t bytes, double *return_sum, int64_t *length,
                      bool *is_success)
{
    static const struct pawl_json_limits limits = {.bytes_max = LINE_BYTES_MAX, .depth_max = 2};
    struct pawl_json doc;
    const char *end;
    if (pawl_json_open_text(&doc, line, bytes, "episodes.jsonl", &limits, NULL) != 0)
        return false;
    struct pawl_json_at root = pawl_json_root(&doc);
    bool is_good = pawl_json_get_string(&root, "end", &end, NULL) == 0 &&
                   strcmp(end, "cut") != 0 &&
                   pawl_json_get_f64(&root, "return", -1e300, 1e300, return_sum, NULL) == 0 &&
                   pawl_json_get_i64(&root, "length", 0, INT64_MAX, length, NULL) == 0 &&
                   pawl_json_get_bool(&root, "success", is_success, NULL) == 0;
    pawl_json_close(&doc);
    return is_good;
}

/* From the last line back; what stands before the first newline may be half a line. */
static void read_back(struct pawl_episodes_recent *recent, const char *text, size_t bytes,
                      bool is_whole, uint32_t count_max)
{
    double return_sum = 0.0, length_sum = 0.0;
    while (bytes > 0 && text[bytes - 1] != '\n')
        bytes--;
    while (bytes > 0 && recent->count < count_max) {
        size_t begin = --bytes;
        double value;
        int64_t length;
        bool is_success;
        while (begin > 0 && text[begin - 1] != '\n')
            begin--;
        if (begin == 0 && !is_whole)
            break;
        if (read_line(text + begin, bytes - begin, &value, &length, &is_success)) {
            recent->count++;
            recent->success_count += is_success;
            return_sum += value;
            length_sum += (double)length;
        }
        bytes = begin;
    }
    if (recent->count > 0) {
        recent->return_mean = return_sum / recent->count;
        recent->length_mean = length_sum / recent->count;
    }
}

void pawl_episodes_read_recent(struct pawl_episodes_recent *recent, const char *run_path,
                               uint32_t count_max)
{
    struct stat status;
    *recent = (struct pawl_episodes_recent){0};
    if (count_max > PAWL_EPISODES_RECENT_MAX)
        count_max = PAWL_EPISODES_RECENT_MAX;
    size_t room = (size_t)(count_max + 1) * LINE_BYTES_MAX;
    int fd = open_file(run_path);
    char *text = fd >= 0 ? malloc(room) : NULL;
    if (text && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        off_t at = status.st_size > (off_t)room ? status.st_size - (off_t)room : 0;
        ssize_t bytes = pread(fd, text, room, at);
        if (bytes > 0)
            read_back(recent, text, (size_t)bytes, at == 0, count_max);
    }
    free(text);
    if (fd >= 0)
        close(fd);
}

uint64_t pawl_episodes_count(const char *run_path, uint64_t env_step_max)
{
    uint64_t count = 0, env_step;
    char *line = NULL;
    size_t bytes = 0;
    ssize_t length;
    int fd = open_file(run_path);
    FILE *in = fd >= 0 ? fdopen(fd, "re") : NULL;
    if (!in && fd >= 0)
        close(fd);
    while (in && (length = getline(&line, &bytes, in)) > 0)
        count += line[length - 1] == '\n' &&
                 sscanf(line, "{\"env_step\":%" SCNu64, &env_step) == 1 &&
                 env_step <= env_step_max;
    free(line);
    if (in)
        fclose(in);
    return count;
}
