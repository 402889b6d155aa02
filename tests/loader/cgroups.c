/* cgroups.c -- how much memory and how many CPUs are there to take, by /proc and
 * cgroups as machines and containers show them. */
#include <limits.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sluice/loader.h>

#include "support/heap.h"
#include "sys.h"

enum { MIB = 1 << 20, HOST = 1000 }; /* MiB available on the host */

static char root[160];

/* Write under the root; its folders are made. */
static void put(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        mkdir(path, 0777);
    }
    file_write(path, text, strlen(text));
}

static void put_number(const char *folder, const char *file, uint64_t mib)
{
    char name[256], text[32];
    snprintf(name, sizeof(name), "cgroup/%s%s", folder, file);
    snprintf(text, sizeof(text), "%llu\n", (unsigned long long)mib * MIB);
    put(name, text);
}

static void put_1(const char *folder, uint64_t limit, uint64_t used)
{
    put_number(folder, "memory.limit_in_bytes", limit);
    put_number(folder, "memory.usage_in_bytes", used);
}

static void put_2(const char *folder, uint64_t limit, uint64_t used)
{
    put_number(folder, "memory.max", limit);
    put_number(folder, "memory.current", used);
}

/* A fresh host, and what its process is in. */
static void host(const char *folder, const char *cgroups)
{
    static int hosts;
    snprintf(root, sizeof(root), "%s/%d", folder, hosts++);
    mkdir(root, 0777);
    put("proc/meminfo", "MemTotal:  4096000 kB\nMemFree:  1000 kB\n"
                        "MemAvailable:    1024000 kB\nBuffers: 5 kB\n");
    if (cgroups)
        put("proc/self/cgroup", cgroups);
}

static void expect(uint64_t mib, const char *what)
{
    char proc[256], cgroup[256];
    snprintf(proc, sizeof(proc), "%s/proc", root);
    snprintf(cgroup, sizeof(cgroup), "%s/cgroup", root);
    const uint64_t got = sluice_memory_available(proc, cgroup);
    CHECK(got == mib * MIB, "%s: expected %llu MiB, found %llu bytes", what,
          (unsigned long long)mib, (unsigned long long)got);
}

static void without(const char *folder)
{
    host(folder, NULL);
    expect(HOST, "no cgroups");
    host(folder, "0::/\n");
    put("cgroup/memory.max", "max\n");
    put_number("", "memory.current", 1500);
    expect(HOST, "no limit");
    host(folder, "9:memory:/\n8:cpu,cpuacct:/\n0::/\n");
    put("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put_number("memory/", "memory.usage_in_bytes", 1500);
    expect(HOST, "no limit of version 1");
}

static void containers(const char *folder)
{
    host(folder, "0::/\n");
    put_2("", 600, 100);
    expect(500, "version 2");
    put("cgroup/memory.stat", "anon 5\nfile 62914560\ninactive_file 20971520\n"
                              "active_file 31457280\n");
    expect(550, "50 MiB of the page cache make room");
    put_number("", "memory.current", 660);
    expect(0, "used up");

    /* The path is the host's, what is mounted is the container's own. */
    host(folder, "12:cpuset:/docker/f00\n4:memory:/docker/f00\n0::/docker/f00\n");
    put_1("memory/", 600, 200);
    expect(400, "version 1");
    put("cgroup/memory/memory.stat", "inactive_file 1048576\nactive_file 1048576\n"
                                     "total_inactive_file 10485760\n"
                                     "total_active_file 20971520\n");
    expect(430, "30 MiB of the page cache make room");

    host(folder, NULL);
    put_1("memory/", 600, 200);
    expect(400, "version 1, without a path");
    host(folder, NULL);
    put_2("", 600, 100);
    expect(500, "version 2, without a path");
}

/* Jobs of a cluster, services: a path below the mount. The tightest above them holds.
 */
static void nested(const char *folder)
{
    host(folder, "0::/slice/job_7/step\n");
    put_2("slice/job_7/step/", 2000, 10);
    put_2("slice/job_7/", 300, 100);
    put_2("slice/", 900, 250);
    expect(200, "version 2, the job's");
    put_2("slice/", 900, 750);
    expect(150, "version 2, all jobs'");
    put_2("slice/job_7/step/", 40, 10);
    expect(30, "version 2, the step's");
    put_number("slice/job_7/step/", "memory.high", 30);
    expect(20, "version 2, where the step is held up");
    put("cgroup/slice/job_7/step/memory.high", "max\n");
    put_2("slice/job_8/", 10, 10);
    expect(30, "another job's");

    host(folder, "3:cpu:/other\n2:hugetlb,memory:/slurm/job_7\n1:memoryless:/tiny\n");
    put_1("memory/slurm/job_7/", 300, 100);
    put_1("memory/slurm/", 900, 100);
    put_1("memory/tiny/", 1, 1);
    put_1("memory/other/", 1, 1);
    expect(200, "version 1, the job's");

    host(folder, "9:cpu:/\n0::/a/b\n");
    put_2("unified/a/b/", 70, 10);
    expect(60, "version 2 beside version 1");
}

/* 100 MiB of 700 are mapped, as /proc has it. */
static void address_space(const char *folder)
{
    struct rlimit before, less;
    char text[256];
    if (!resident_bytes())
        return; /* a sanitizer maps more than any limit */
    host(folder, NULL);
    snprintf(text, sizeof(text), "%ld 5 5 5 0 5 0\n",
             ((long)100 << 20) / sysconf(_SC_PAGESIZE));
    put("proc/self/statm", text);
    REQUIRE(getrlimit(RLIMIT_AS, &before) == 0, "getrlimit");
    less = (struct rlimit){ (rlim_t)700 << 20, before.rlim_max };
    snprintf(text, sizeof(text), "%s/proc", root);
    if (before.rlim_cur == RLIM_INFINITY)
        CHECK(sluice_address_space_left(text) == UINT64_MAX, "no limit");
    if (setrlimit(RLIMIT_AS, &less) == 0)
        CHECK(sluice_address_space_left(text) == (uint64_t)600 << 20, "ulimit -v");
    REQUIRE(setrlimit(RLIMIT_AS, &before) == 0, "setrlimit");
}

/* In place of the C library's: a mask of as many CPUs as this, if it is not 0. */
static int pretended;

int sched_getaffinity(pid_t thread, size_t size, cpu_set_t *mask)
{
    CPU_ZERO_S(size, mask);
    if (!pretended)
        return syscall(SYS_sched_getaffinity, thread, size, mask) < 0 ? -1 : 0;
    for (int i = 0; i < pretended; i++)
        CPU_SET_S(i, size, mask);
    return 0;
}

static void expect_cpus(int most, const char *what)
{
    char proc[256], cgroup[256];
    const int own = sluice_cpus_available("/nowhere", "/nowhere"); /* by the mask */
    snprintf(proc, sizeof(proc), "%s/proc", root);
    snprintf(cgroup, sizeof(cgroup), "%s/cgroup", root);
    const int got = sluice_cpus_available(proc, cgroup);
    CHECK(got == (own < most ? own : most), "%s: expected at most %d, found %d CPUs",
          what, most, got);
}

static void cpus(const char *folder)
{
    cpu_set_t before, one;
    host(folder, "0::/\n");
    expect_cpus(INT_MAX, "no limit");
    put("cgroup/cpu.max", "max 100000\n");
    expect_cpus(INT_MAX, "no quota");
    put("cgroup/cpu.max", "100000 100000\n");
    expect_cpus(1, "one CPU's time");
    put("cgroup/cpu.max", "100001 100000\n");
    expect_cpus(2, "a little more");
    put("cgroup/cpu.max", "5000 100000\n");
    expect_cpus(1, "a little");
    host(folder, "4:cpuacct,cpu:/docker/f00\n");
    put("cgroup/cpu/docker/f00/cpu.cfs_period_us", "100000\n");
    put("cgroup/cpu/docker/f00/cpu.cfs_quota_us", "-1\n");
    expect_cpus(INT_MAX, "version 1, no quota");
    put("cgroup/cpu/docker/f00/cpu.cfs_quota_us", "50000\n");
    expect_cpus(1, "version 1, half a CPU's time");

    host(folder, "0::/\n");
    pretended = 1000;
    expect_cpus(1000, "a large machine");
    pretended = 1152;
    CHECK(sluice_cpus_available("/nowhere", "/nowhere") == 1024,
          "of 1,152 CPUs: expected 1,024, found %d",
          sluice_cpus_available("/nowhere", "/nowhere"));
    pretended = 0;

    host(folder, NULL);
    REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0, "affinity");
    CPU_ZERO(&one);
    for (int i = 0; CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0, "affinity");
    CHECK(sluice_cpus() == 1, "bound to one CPU: %d", sluice_cpus());
    expect_cpus(1, "bound to one CPU");
    REQUIRE(sched_setaffinity(0, sizeof(before), &before) == 0, "affinity");
}

static void odd(const char *folder)
{
    host(folder, "0::/../../elsewhere\n");
    put_2("", 600, 100);
    put_2("elsewhere/", 10, 10);
    expect(500, "a path out of the namespace");
    host(folder, "nonsense\n4\n:\n0:memory\n0::no/slash\n\n0::");
    put_2("", 600, 100);
    expect(500, "nonsense");
    char longest[9000];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    memcpy(longest, "0::/", 4);
    host(folder, longest);
    put_2("", 600, 100);
    expect(500, "a path longer than a path");
}

int main(void)
{
    const char *folder = folder_make();
    without(folder);
    containers(folder);
    nested(folder);
    odd(folder);
    cpus(folder);
    address_space(folder);
    CHECK(sluice_sys_real.memory() > 0, "nothing to take here");
    folder_remove(folder);
    return check_done();
}
