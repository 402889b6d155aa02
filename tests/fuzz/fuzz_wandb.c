/* fuzz_wandb.c -- any records, of any bytes, in a file for Weights & Biases that is
 * gone on with: a whole number of them is kept, and what a run knows by them is text
 * and finite. The data are records, each behind a byte that says how long it is. */
#include <math.h>

#include "fuzz.h"
#include "wandb_parts.h"

static void check_run(const struct wandb *w)
{
    for (int i = 0; i < w->tags; i++)
        FUZZ_REQUIRE(memchr(w->last[i].tag, 0, TAG_MAX) && *w->last[i].tag &&
                     isfinite(w->last[i].value) && !w->last[i].fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wandb w = { .file = NULL };
    char *bytes = NULL;
    size_t length = 0;
    uint64_t offset, ends[64] = { 0 };
    int records = 0;
    FILE *to = open_memstream(&bytes, &length);
    FUZZ_REQUIRE(to);
    wandb_log_begin(to, &offset);
    ends[0] = offset;
    while (size && records < 63) {
        const size_t n = data[0] < size - 1 ? data[0] : size - 1;
        wandb_log_append(to, &offset, data + 1, n);
        ends[++records] = offset;
        data += 1 + n;
        size -= 1 + n;
    }
    FUZZ_REQUIRE(fclose(to) == 0);
    bool damaged;
    const uint64_t kept = wandb_kept(&w, bytes, length, 5, &damaged);
    FUZZ_REQUIRE(!damaged);
    int i = 0;
    while (i <= records && ends[i] != kept)
        i++;
    FUZZ_REQUIRE(i <= records);
    check_run(&w);
    free(w.last);
    free(bytes);
    return 0;
}
