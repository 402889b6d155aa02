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

/* ---- where the time went ---- */

enum { READ, DECODE, RESIZE, AUGMENT, IDLE, STAGES };

static const char *const stage_names[STAGES] = { "read", "decode", "resize", "augment",
                                                 "idle" };

/* Summed over the threads; what is left of their time was spent on locks, or in the
 * queue for a CPU. */
static void stages(const struct sluice_loader_stats *s, double seconds[STAGES])
{
    seconds[READ] = s->read_seconds;
    seconds[DECODE] = s->decode_seconds;
    seconds[RESIZE] = s->resize_seconds;
    seconds[AUGMENT] = s->transform_seconds;
    seconds[IDLE] = s->idle_seconds;
}

/* More threads help as long as there are CPUs for them. */
static const char *for_cpus(const struct sluice_loader_stats *s, const char *more,
                            const char *full)
{
    return s->threads < sluice_cpus() ? more : full;
}

/* What stood in the way, and what to change. */
const char *bench_verdict(const struct bench_result *r)
{
    const struct sluice_loader_stats *s = &r->stats;
    const double all = s->threads * r->seconds;
    double t[STAGES];
    int most = 0;
    stages(s, t);
    for (int i = READ; i < IDLE; i++)
        most = t[i] > t[most] ? i : most;
    if (t[IDLE] > 0.5 * all)
        return "the consumer: batches waited for it; nothing to change in the loader";
    if (t[most] + t[IDLE] < 0.25 * all)
        return "waiting between threads: larger --batch-size, more --batches, or fewer "
               "--threads than CPUs";
    switch (most) {
    case READ:
        if (s->io == SLUICE_IO_RESIDENT)
            return "reading the file once into memory: later epochs do without";
        if (s->reads_in_flight < 2 && s->io != SLUICE_IO_PREAD)
            return "reading, one transfer at a time: more --queue-depth";
        return r->order == SLUICE_RANDOM
                   ? "reading: a faster disk, memory for --io=resident, or "
                     "--order=quasi_random"
                   : "reading: a faster disk, or memory for --io=resident";
    case DECODE:
        return for_cpus(
            s, "decoding, with CPUs left over: more --threads",
            "decoding: smaller pictures (sluice write --max-side), or pixels "
            "(--mode=raw)");
    case RESIZE:
        return for_cpus(s, "scaling, with CPUs left over: more --threads",
                        "scaling: pictures nearer to --size (sluice write --max-side)");
    default:
        if (!r->augmented)
            return for_cpus(s,
                            "checksums and copies, with CPUs left over: more --threads",
                            "checksums and copies: nothing to change in the loader");
        return for_cpus(s, "augmentation, with CPUs left over: more --threads",
                        "augmentation: a shorter --augment, or --dtype=bf16");
    }
}

static void print_stages(const struct bench_result *r)
{
    const struct sluice_loader_stats *s = &r->stats;
    const double all = s->threads * r->seconds;
    double t[STAGES], rest = all;
    stages(s, t);
    printf("stage       seconds   share of %d threads' time\n", s->threads);
    for (int i = 0; i < STAGES; i++) {
        printf("  %-8s %9.3f %6.1f %%%s\n", stage_names[i], t[i], 100 * t[i] / all,
               i == AUGMENT ? "  checksums too"
               : i == IDLE  ? "  no batch was free: the consumer had them all"
                            : "");
        if (i == DECODE && s->entropy_seconds > 0)
            printf("    of it %9.3f %6.1f %%  Huffman codes\n"
                   "    and   %9.3f %6.1f %%  inverse DCT and colour\n",
                   s->entropy_seconds, 100 * s->entropy_seconds / all,
                   s->pixels_seconds, 100 * s->pixels_seconds / all);
        rest -= t[i];
    }
    printf("  %-8s %9.3f %6.1f %%  locks, and waiting for a CPU\n", "other",
           rest > 0 ? rest : 0, rest > 0 ? 100 * rest / all : 0);
    printf(
        "consumer    waited %.3f s, %.1f %% of its time; %.1f batches were ready when "
        "it asked\n",
        s->wait_seconds, 100 * s->wait_seconds / r->seconds, s->batches_ready);
    if (s->reads)
        printf("queue       %" PRIu64
               " reads, %.1f of a thread in flight when it waited\n",
               s->reads, s->reads_in_flight);
}

/* ---- all of it ---- */

void bench_print_text(const char *path, const struct bench_options *opt,
                      const struct bench_result *r, const struct sluice_augment *aug)
{
    char a[32], b[32], c[32];
    const struct sluice_loader_stats *s = &r->stats;
    printf("%s\n", path);
    printf("backend     %s: %s%s\n", sluice_io_name(s->io), s->io_reason,
           opt->cold ? " (dropped from the page cache first)" : "");
    if (aug)
        printf("augment     %s (%s)\n",
               *sluice_augment_describe(aug) ? sluice_augment_describe(aug)
                                             : "conversion alone",
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
    printf("latency     open %.1f ms, first batch %.1f ms after that call began, seek "
           "%.3f ms\n",
           r->open_seconds * 1e3, r->first_seconds * 1e3, r->seek_seconds * 1e3);
    printf("memory      %s at most for the loader, %s peak of the process; %s read\n",
           text_bytes(a, s->memory_bound), text_bytes(b, peak_memory()),
           text_bytes(c, s->bytes_read));
    print_stages(r);
    if (opt->hash)
        printf("hash        %08" PRIx32 "\n", r->hash);
    if (s->damaged)
        printf("damaged     %d samples, %s %s times\n", s->damaged_samples,
               opt->on_error == SLUICE_SKIP ? "skipped" : "substituted",
               text_count(a, s->damaged));
    for (int i = 0; i < s->damaged_samples; i++)
        printf("            %s\n", r->damaged[i].message);
    printf("bottleneck  %s\n", bench_verdict(r));
}

void bench_print_json(const struct bench_options *opt, const struct bench_result *r)
{
    const struct sluice_loader_stats *s = &r->stats;
    double t[STAGES];
    stages(s, t);
    printf("{\"samples_per_s\": %.0f, \"bytes_per_s\": %.0f, \"steady_samples_per_s\": "
           "%.0f, \"gather_samples_per_s\": %.0f, \"samples\": %" PRIu64
           ", \"epochs\": %d, \"seconds\": %.4f, ",
           (double)r->samples / r->seconds, (double)r->bytes / r->seconds, r->steady,
           r->gather, r->samples, r->epochs, r->seconds);
    printf("\"io\": \"%s\", \"io_reason\": \"%s\", \"threads\": %d, \"cold\": %s, "
           "\"open_ms\": %.3f, \"first_batch_ms\": %.3f, \"seek_ms\": %.4f, ",
           sluice_io_name(s->io), s->io_reason, s->threads,
           opt->cold ? "true" : "false", r->open_seconds * 1e3, r->first_seconds * 1e3,
           r->seek_seconds * 1e3);
    printf("\"memory\": %zu, \"memory_bound\": %zu, \"peak_memory\": %" PRIu64
           ", \"bytes_read\": %" PRIu64 ", \"reads\": %" PRIu64
           ", \"reads_in_flight\": %.2f, \"batches_ready\": %.2f, ",
           s->memory, s->memory_bound, peak_memory(), s->bytes_read, s->reads,
           s->reads_in_flight, s->batches_ready);
    for (int i = 0; i < STAGES; i++)
        printf("\"%s_s\": %.4f, ", stage_names[i], t[i]);
    printf("\"entropy_s\": %.4f, \"pixels_s\": %.4f, ", s->entropy_seconds,
           s->pixels_seconds);
    printf("\"wait_s\": %.4f, \"idle_share\": %.4f, ", s->wait_seconds,
           s->idle_seconds / (s->threads * r->seconds));
    if (opt->hash)
        printf("\"hash\": \"%08" PRIx32 "\", ", r->hash);
    printf("\"damaged\": %" PRIu64 ", \"damaged_samples\": [", s->damaged);
    for (int i = 0; i < s->damaged_samples; i++)
        printf("%s%" PRIu64, i ? ", " : "", r->damaged[i].sample);
    printf("], \"bottleneck\": \"%s\"}", bench_verdict(r));
}
