/* heap.h -- what the process holds: bytes on the heap, descriptors, threads, pages. */
#ifndef SLUICE_TEST_HEAP_H
#define SLUICE_TEST_HEAP_H

#include <stddef.h>

#include "files.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEAP_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_SANITIZED 1
#endif

#ifdef HEAP_SANITIZED
size_t __sanitizer_get_current_allocated_bytes(void);
static inline size_t heap_bytes(void)
{
    return __sanitizer_get_current_allocated_bytes();
}
#else
#include <malloc.h>
static inline size_t heap_bytes(void)
{
    const struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}
#endif

/* Bytes in memory; 0 where a sanitizer's own make the number useless. */
static inline size_t resident_bytes(void)
{
    size_t pages = 0;
#ifndef HEAP_SANITIZED
    unsigned long all;
    FILE *f = fopen("/proc/self/statm", "re");
    REQUIRE(f && fscanf(f, "%lu %zu", &all, &pages) == 2, "statm");
    fclose(f);
#endif
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static inline int open_descriptors(void)
{
    return folder_entries("/proc/self/fd");
}

/* The kernel lists a thread for a moment longer than joining it takes: at most
 * `wanted`, or what there still are after two seconds. */
static inline int threads_left(int wanted)
{
    int n = folder_entries("/proc/self/task");
    for (int i = 0; i < 2000 && n > wanted; i++) {
        usleep(1000);
        n = folder_entries("/proc/self/task");
    }
    return n;
}

#endif
