/* bench_report.c -- what a run of `sluice bench` says, for people and for programs. */
#include <inttypes.h>
#include <stdio.h>

#include "bench.h"
#include "progress.h"

static uint64_t peak_memory(void)
{
    unsigned long long kib = 0;
    char line[128];
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "VmHWM: %llu kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib * 1024;
}

/* What stood in the way, and what to change. */
static const char *verdict(const struct bench_result *r)
{
    const struct sluice_loader_stats *s = &r->stats;
    const double threads = s->threads * r->seconds;
    if (s->idle_seconds > 0.5 * threads)
        return "the consumer: the loader waited for it; nothing to change here";
    if (s->decode_seconds > s->transform_seconds && s->decode_seconds > s->read_seconds)
        return "decoding: more --threads if there are idle CPUs, smaller pictures "
               "(sluice write --max-side), or pixels (--mode=raw)";
    if (s->read_seconds > s->transform_seconds)
        return s->io == SLUICE_IO_RESIDENT
                   ? "memory: the first pass over the file"
                   : "reading: a faster disk, or memory for --io=resident";
    if (s->transform_seconds > 0.5 * threads)
        return "the transform: more --threads if there are idle CPUs, a shorter "
               "pipeline, or bf16";
    return "waiting between threads: larger batches, or more --batches";
}

void bench_print_text(const char *path, const struct bench_options *opt,
                      const struct bench_result *r, const struct sluice_augment *aug)
{
    char a[32], b[32], c[32];
    const struct sluice_loader_stats *s = &r->stats;
    const double threads = s->threads * r->seconds;
    printf("%s\n", path);
    printf("backend     %s: %s%s\n", sluice_io_name(s->io), s->io_reason,
           opt->cold ? " (dropped from the page cache first)" : "");
    if (aug)
        printf("augment     %s (%s)\n", sluice_augment_describe(aug),
               sluice_augment_path(aug));
    printf("speed       %s samples/s, %s/s over %d epochs in %.2f s, %d threads\n",
           text_count(a, (uint64_t)((double)r->samples / r->seconds)),
           text_bytes(b, (uint64_t)((double)r->bytes / r->seconds)), r->epochs,
           r->seconds, s->threads);
    if (r->steady > 0)
        printf("            %s samples/s in the fastest epoch behind the first\n",
               text_count(a, (uint64_t)r->steady));
    printf(
        "yardstick   %s samples/s: one thread copying the stored bytes, nothing else\n",
        text_count(a, (uint64_t)r->gather));
    printf("latency     open %.1f ms, first batch %.1f ms after that call began\n",
           r->open_seconds * 1e3, r->first_seconds * 1e3);
    printf("memory      %s held by the loader, %s peak of the process; %s read\n",
           text_bytes(a, s->memory), text_bytes(b, peak_memory()),
           text_bytes(c, s->bytes_read));
    printf(
        "threads     read %.0f %%, decode %.0f %%, transform %.0f %%, waiting for the "
        "consumer %.0f %%\n",
        100 * s->read_seconds / threads, 100 * s->decode_seconds / threads,
        100 * s->transform_seconds / threads, 100 * s->idle_seconds / threads);
    if (opt->hash)
        printf("hash        %08" PRIx32 "\n", r->hash);
    if (s->damaged)
        printf("damaged     %d samples, %s %s times\n", s->damaged_samples,
               opt->on_error == SLUICE_SKIP ? "skipped" : "substituted",
               text_count(a, s->damaged));
    for (int i = 0; i < s->damaged_samples; i++)
        printf("            %s\n", r->damaged[i].message);
    printf("bottleneck  %s\n", verdict(r));
}

void bench_print_json(const struct bench_options *opt, const struct bench_result *r)
{
    const struct sluice_loader_stats *s = &r->stats;
    printf("{\"samples_per_s\": %.0f, \"bytes_per_s\": %.0f, \"steady_samples_per_s\": "
           "%.0f, "
           "\"gather_samples_per_s\": %.0f, \"samples\": %" PRIu64 ", \"epochs\": %d, "
           "\"seconds\": %.4f, \"io\": \"%s\", \"io_reason\": \"%s\", \"threads\": %d, "
           "\"open_ms\": %.3f, \"first_batch_ms\": %.3f, \"memory\": %zu, "
           "\"peak_memory\": %" PRIu64 ", \"bytes_read\": %" PRIu64
           ", \"read_s\": %.4f, "
           "\"transform_s\": %.4f, \"idle_s\": %.4f, \"wait_s\": %.4f, ",
           (double)r->samples / r->seconds, (double)r->bytes / r->seconds, r->steady,
           r->gather, r->samples, r->epochs, r->seconds, sluice_io_name(s->io),
           s->io_reason, s->threads, r->open_seconds * 1e3, r->first_seconds * 1e3,
           s->memory, peak_memory(), s->bytes_read, s->read_seconds,
           s->transform_seconds, s->idle_seconds, s->wait_seconds);
    if (opt->hash)
        printf("\"hash\": \"%08" PRIx32 "\", ", r->hash);
    printf("\"damaged\": %" PRIu64 ", \"damaged_samples\": [", s->damaged);
    for (int i = 0; i < s->damaged_samples; i++)
        printf("%s%" PRIu64, i ? ", " : "", r->damaged[i].sample);
    printf("], \"bottleneck\": \"%s\"}\n", verdict(r));
}
