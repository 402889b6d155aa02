/* conv_split.h -- convolutions as ones of 3x3 filters with stride 1, for Winograd's
 * filtering. One with stride 2 takes the input's even and odd rows and columns for four
 * maps ("phases") of the same pixels' channels, each with the taps that meet it. */
#ifndef SLUICE_CONV_SPLIT_H
#define SLUICE_CONV_SPLIT_H

#include <stdbool.h>

enum {
    SPLIT_PHASES = 4,
    SPLIT_SIDE = 3,
    SPLIT_TAPS = 9,
};

struct conv_split {
    int kernel, stride;
    /* Of an even and an odd row (column): the kernel's row (column) that meets it one
     * before, at and one behind the result's; -1: none does. */
    int tap[2][3];
    int order[SPLIT_PHASES]; /* 2 * (odd row) + (odd column), as channels lie */
};

/* NULL: it cannot be split so. */
const struct conv_split *conv_split_of(int kernel, int stride);

/* The first row and column of a phase: 0 or 1. */
struct split_phase {
    int row, column;
};

/* That of a side's channel, of `channels` in each phase; a side with step 1 is one map.
 */
static inline struct split_phase split_phase(const struct conv_split *s, int channel,
                                             int channels, int step)
{
    const int phase = step > 1 ? s->order[channel / channels] : 0;
    return (struct split_phase){ phase >> 1, phase & 1 };
}

/* Of a phase's 3x3 taps their places in the kernel; -1: it has none there. */
static inline void split_taps(const struct conv_split *s, struct split_phase phase,
                              int at[SPLIT_TAPS])
{
    for (int i = 0; i < SPLIT_TAPS; i++) {
        const int y = s->tap[phase.row][i / 3], x = s->tap[phase.column][i % 3];
        at[i] = y < 0 || x < 0 ? -1 : y * s->kernel + x;
    }
}

/* Channels [begin, end) of a side of which a place of transformed tiles has products.
 */
struct split_span {
    int begin, end;
};

static inline int split_count(struct split_span s)
{
    return s.end - s.begin;
}

static inline bool split_within(struct split_span s, int channel)
{
    return channel >= s.begin && channel < s.end;
}

/* Of a place in row `row` and column `column` of `side` x `side`, with `channels` in
 * each phase. The first and the last row (column) come from the outer taps alone, so a
 * phase without that tap has no products there. `turned`: filters are turned about. */
struct split_span split_span(const struct conv_split *s, bool turned, int row,
                             int column, int side, int channels);

#endif
