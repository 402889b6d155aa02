/* cgroups.c -- how much memory could be taken, and how many CPUs: what the machine has,
 * or what the limits of this process and of its cgroups leave, of either version; see
 * sys.h. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sluice/loader.h>

#include "sys.h"

enum { NAME_BYTES = 4096 };

/* What a cgroup of version 1 and of version 2 leaves, by the files in its folder;
 * UINT64_MAX: it has no limit. */
struct resource {
    const char *controller;
    uint64_t (*left_1)(const char *folder);
    uint64_t (*left_2)(const char *folder);
};

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The first line of a file of the kernel's that begins with `key`; false: none. */
static bool line_of(const char *folder, const char *file, const char *key,
                    char line[128])
{
    char name[NAME_BYTES];
    bool found = false;
    if (snprintf(name, sizeof(name), "%s/%s", folder, file) >= (int)sizeof(name))
        return false;
    FILE *f = fopen(name, "re");
    while (f && !found && fgets(line, 128, f))
        found = strncmp(line, key, strlen(key)) == 0;
    if (f)
        fclose(f);
    return found;
}

/* The number behind `key`, or `otherwise`: "max" is none. */
static uint64_t number_in(const char *folder, const char *file, const char *key,
                          uint64_t otherwise)
{
    unsigned long long value;
    char line[128];
    return line_of(folder, file, key, line) &&
                   sscanf(line + strlen(key), "%llu", &value) == 1
               ? value
               : otherwise;
}

/* ---- memory ---- */

/* The page cache that a cgroup filled counts, but makes room. */
static uint64_t memory_left(const char *folder, uint64_t most, const char *used_file,
                            const char *inactive, const char *active)
{
    const uint64_t used = number_in(folder, used_file, "", 0);
    const uint64_t cache = number_in(folder, "memory.stat", inactive, 0) +
                           number_in(folder, "memory.stat", active, 0);
    const uint64_t taken = used > cache ? used - cache : 0;
    if (most == UINT64_MAX)
        return most;
    return most > taken ? most - taken : 0;
}

/* The stat tells of the cgroup alone under the plain names. */
static uint64_t memory_left_1(const char *folder)
{
    return memory_left(
        folder, number_in(folder, "memory.limit_in_bytes", "", UINT64_MAX),
        "memory.usage_in_bytes", "total_inactive_file ", "total_active_file ");
}

/* Beyond `high` a process is held up, though not killed. */
static uint64_t memory_left_2(const char *folder)
{
    return memory_left(folder,
                       lesser(number_in(folder, "memory.max", "", UINT64_MAX),
                              number_in(folder, "memory.high", "", UINT64_MAX)),
                       "memory.current", "inactive_file ", "active_file ");
}

static const struct resource memory = { "memory", memory_left_1, memory_left_2 };

/* ---- CPUs ---- */

static uint64_t cpus_of(uint64_t quota, uint64_t period)
{
    return quota == UINT64_MAX || !period ? UINT64_MAX
           : quota <= period              ? 1
                                          : (quota - 1) / period + 1;
}

/* No quota is -1. */
static uint64_t cpus_1(const char *folder)
{
    return cpus_of(number_in(folder, "cpu.cfs_quota_us", "", UINT64_MAX),
                   number_in(folder, "cpu.cfs_period_us", "", 0));
}

static uint64_t cpus_2(const char *folder)
{
    unsigned long long quota, period;
    char line[128];
    return line_of(folder, "cpu.max", "", line) &&
                   sscanf(line, "%llu %llu", &quota, &period) == 2
               ? cpus_of(quota, period)
               : UINT64_MAX;
}

static const struct resource cpu = { "cpu", cpus_1, cpus_2 };

/* ---- the cgroups of this process ---- */

/* Of the cgroup `path` and all above it. A container sees its own at the root, whatever
 * its path says. */
static uint64_t least_above(const char *mount, const char *path,
                            uint64_t (*left)(const char *folder))
{
    char folder[NAME_BYTES];
    uint64_t least = UINT64_MAX;
    size_t length = strlen(mount);
    if (snprintf(folder, sizeof(folder), "%s%s", mount,
                 strstr(path, "/..") ? "" : path) >= (int)sizeof(folder))
        folder[length] = 0;
    for (;;) {
        least = lesser(least, left(folder));
        if (strlen(folder) <= length)
            return least;
        *strrchr(folder, '/') = 0;
    }
}

/* Is it one of the names in a list with commas? */
static bool names(const char *list, const char *controller)
{
    const size_t length = strlen(controller);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, controller, length) == 0 && (!at[length] || at[length] == ','))
            return true;
    }
    return false;
}

/* "ID:controllers:path"; version 2 names no controllers. */
static uint64_t left_by_line(char *line, const char *cgroup, const struct resource *r)
{
    char mount[NAME_BYTES];
    char *list = strchr(line, ':');
    char *path = list ? strchr(list + 1, ':') : NULL;
    if (!path)
        return UINT64_MAX;
    *path++ = 0;
    list++;
    path[strcspn(path, "\n")] = 0;
    if (names(list, r->controller)) {
        snprintf(mount, sizeof(mount), "%s/%s", cgroup, r->controller);
        return least_above(mount, path, r->left_1);
    }
    if (*list)
        return UINT64_MAX;
    snprintf(mount, sizeof(mount), "%s/unified", cgroup); /* beside version 1 */
    return lesser(least_above(mount, path, r->left_2),
                  least_above(cgroup, path, r->left_2));
}

static uint64_t least_left(const char *proc, const char *cgroup,
                           const struct resource *r)
{
    char line[NAME_BYTES], own_2[] = "0::", own_1[32];
    snprintf(own_1, sizeof(own_1), "0:%s:", r->controller);
    uint64_t least =
        lesser(left_by_line(own_2, cgroup, r), left_by_line(own_1, cgroup, r));
    snprintf(line, sizeof(line), "%s/self/cgroup", proc);
    FILE *f = fopen(line, "re");
    while (f && fgets(line, sizeof(line), f))
        least = lesser(least, left_by_line(line, cgroup, r));
    if (f)
        fclose(f);
    return least;
}

uint64_t sluice_address_space_left(const char *proc)
{
    struct rlimit most;
    const uint64_t used =
        number_in(proc, "self/statm", "", 0) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (getrlimit(RLIMIT_AS, &most) < 0 || most.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return most.rlim_cur > used ? most.rlim_cur - used : 0;
}

uint64_t sluice_memory_available(const char *proc, const char *cgroup)
{
    const uint64_t pages =
        (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    return lesser(number_in(proc, "meminfo", "MemAvailable:", pages / 1024) * 1024,
                  least_left(proc, cgroup, &memory));
}

int sluice_cpus_available(const char *proc, const char *cgroup)
{
    union {
        cpu_set_t set;
        unsigned char bytes[8192]; /* more CPUs than a cpu_set_t has room for */
    } mask;
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    const int allowed = sched_getaffinity(0, sizeof(mask), &mask.set) == 0
                            ? CPU_COUNT_S(sizeof(mask), &mask.set)
                            : (int)online;
    const uint64_t most =
        lesser(allowed < 1 ? 1 : (uint64_t)allowed, least_left(proc, cgroup, &cpu));
    return (int)lesser(most, SLUICE_THREADS_MAX);
}

int sluice_cpus(void)
{
    return sluice_cpus_available("/proc", "/sys/fs/cgroup");
}
