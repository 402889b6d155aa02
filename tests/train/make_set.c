/* make_set.c -- not a test: writes a tiny set for the scripts.
 * make_set OUT COUNT SIDE CHANNELS CLASSES LABEL_OFFSET SEED [NAMED] */

#include "tiny_set.h"

int main(int argc, char **argv)
{
    REQUIRE(argc == 8 || argc == 9,
            "make_set OUT COUNT SIDE CHANNELS CLASSES LABEL_OFFSET SEED [NAMED]");
    const struct tiny_set set = { atoi(argv[2]),          atoi(argv[3]),
                                  atoi(argv[4]),          atoi(argv[5]),
                                  atoi(argv[6]),          argc > 8 ? atoi(argv[8]) : 0,
                                  (uint64_t)atoi(argv[7]) };
    tiny_set_write(argv[1], &set);
    return 0;
}
