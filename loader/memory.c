/* memory.c -- how much memory could be taken: what the machine has available, or what
 * the limits of this process's cgroups leave, of either version; see sys.h. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys.h"

enum { NAME_BYTES = 4096 };

/* What a cgroup's files are called. The stat of version 1 tells of the cgroup alone
 * under the plain names. */
struct layout {
    const char *limit, *used, *inactive, *active;
};
static const struct layout version_1 = { "memory.limit_in_bytes",
                                         "memory.usage_in_bytes",
                                         "total_inactive_file ", "total_active_file " };
static const struct layout version_2 = { "memory.max", "memory.current",
                                         "inactive_file ", "active_file " };

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The number behind `key` in a file of the kernel's, or `otherwise`: "max" is none. */
static uint64_t number_in(const char *folder, const char *file, const char *key,
                          uint64_t otherwise)
{
    const size_t length = strlen(key);
    unsigned long long value = 0;
    bool found = false;
    char line[128], name[NAME_BYTES];
    if (snprintf(name, sizeof(name), "%s/%s", folder, file) >= (int)sizeof(name))
        return otherwise;
    FILE *f = fopen(name, "re");
    while (f && !found && fgets(line, sizeof(line), f))
        found = strncmp(line, key, length) == 0 &&
                sscanf(line + length, "%llu", &value) == 1;
    if (f)
        fclose(f);
    return found ? value : otherwise;
}

/* The page cache that a cgroup filled counts, but makes room. */
static uint64_t left_in(const char *folder, const struct layout *l)
{
    const uint64_t most = number_in(folder, l->limit, "", UINT64_MAX);
    const uint64_t used = number_in(folder, l->used, "", 0);
    const uint64_t cache = number_in(folder, "memory.stat", l->inactive, 0) +
                           number_in(folder, "memory.stat", l->active, 0);
    const uint64_t taken = used > cache ? used - cache : 0;
    if (most == UINT64_MAX)
        return most;
    return most > taken ? most - taken : 0;
}

/* Of the cgroup `path` and all above it. A container sees its own at the root, whatever
 * its path says. */
static uint64_t least_left(const char *mount, const char *path, const struct layout *l)
{
    char folder[NAME_BYTES];
    uint64_t least = UINT64_MAX;
    size_t length = strlen(mount);
    if (snprintf(folder, sizeof(folder), "%s%s", mount,
                 strstr(path, "/..") ? "" : path) >= (int)sizeof(folder))
        folder[length] = 0;
    for (;;) {
        least = lesser(least, left_in(folder, l));
        if (strlen(folder) <= length)
            return least;
        *strrchr(folder, '/') = 0;
    }
}

/* Is "memory" one of the names in a list with commas? */
static bool names_memory(const char *list)
{
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, "memory", 6) == 0 && (!at[6] || at[6] == ','))
            return true;
    }
    return false;
}

/* "ID:controllers:path"; version 2 names no controllers. */
static uint64_t left_by_line(char *line, const char *cgroup)
{
    char mount[NAME_BYTES];
    char *list = strchr(line, ':');
    char *path = list ? strchr(list + 1, ':') : NULL;
    if (!path)
        return UINT64_MAX;
    *path++ = 0;
    list++;
    path[strcspn(path, "\n")] = 0;
    if (names_memory(list)) {
        snprintf(mount, sizeof(mount), "%s/memory", cgroup);
        return least_left(mount, path, &version_1);
    }
    if (*list)
        return UINT64_MAX;
    snprintf(mount, sizeof(mount), "%s/unified", cgroup); /* beside version 1 */
    return lesser(least_left(mount, path, &version_2),
                  least_left(cgroup, path, &version_2));
}

uint64_t sluice_memory_available(const char *proc, const char *cgroup)
{
    char line[NAME_BYTES], own_2[] = "0::", own_1[] = "0:memory:";
    const uint64_t pages =
        (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t least = number_in(proc, "meminfo", "MemAvailable:", pages / 1024) * 1024;
    least = lesser(least, left_by_line(own_2, cgroup));
    least = lesser(least, left_by_line(own_1, cgroup));
    snprintf(line, sizeof(line), "%s/self/cgroup", proc);
    FILE *f = fopen(line, "re");
    while (f && fgets(line, sizeof(line), f))
        least = lesser(least, left_by_line(line, cgroup));
    if (f)
        fclose(f);
    return least;
}
