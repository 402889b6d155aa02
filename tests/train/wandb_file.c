/* wandb_file.c -- the file for Weights & Biases, whole, cut and continued. Independent
 * reader: tests/train/read_wandb.py. argv[1]: the folder of the tests. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "run_dir.h"
#include "wandb.h"
#include "wandb_log.h"

static char folder[64] = "/tmp/sluice-wandb-XXXXXX";
static struct sluice_error err;

static const struct wandb_about about = {
    .project = "project",
    .name = "a name",
    .notes = "two words",
    .tags = "one, two,,3",
    .config =
        "{\n  \"seed\": 3,\n  \"model\": {\"name\": \"m,}\\\"x\", \"n\": [1, 2]},\n"
        "  \"last\": \"\"\n}\n",
};

/* The one file; its folder's name is checked. */
static void find_file(char path[512])
{
    char parent[128];
    int n = 0;
    snprintf(parent, sizeof(parent), "%s/wandb", folder);
    DIR *dir = opendir(parent);
    REQUIRE(dir, "%s", parent);
    for (struct dirent *e; (e = readdir(dir));)
        if (*e->d_name != '.') {
            CHECK(strlen(e->d_name) == 36 &&
                      strncmp(e->d_name, "offline-run-20", 14) == 0,
                  "%s", e->d_name);
            snprintf(path, 512, "%s/%s/run-%.8s.wandb", parent, e->d_name,
                     e->d_name + 28);
            n++;
        }
    closedir(dir);
    REQUIRE(n == 1, "%d folders", n);
}

static const char *read_with(const char *tests, const char *path)
{
    static char text[65536];
    char command[1200];
    snprintf(command, sizeof(command),
             "python3 %s/train/read_wandb.py %s | grep -v '^run host\\|^run id'", tests,
             path);
    FILE *p = popen(command, "r");
    REQUIRE(p, "%s", command);
    text[fread(text, 1, sizeof(text) - 1, p)] = 0;
    CHECK(pclose(p) == 0, "the reader refused %s", path);
    return text;
}

#define BEGINNING                                                                      \
    "header sluice\n"                                                                  \
    "run project project\n"                                                            \
    "config seed 3\n"                                                                  \
    "config model {\"n\": [1, 2], \"name\": \"m,}\\\"x\"}\n"                           \
    "config last \"\"\n"                                                               \
    "run name a name\n"                                                                \
    "run notes two words\n"                                                            \
    "run tag one\n"                                                                    \
    "run tag two\n"                                                                    \
    "run tag 3\n"
#define ROW_1 "history 1 loss 2\nsummary 1 loss 2\n"
#define ROW_3                                                                          \
    "history 3 loss 1.5\nhistory 3 acc 0.25\nsummary 3 loss 1.5\nsummary 3 acc 0.25\n"

static void expect(const char *tests, const char *want)
{
    char path[512];
    find_file(path);
    const char *got = read_with(tests, path);
    CHECK(strcmp(got, want) == 0, "records are:\n%sexpected:\n%s", got, want);
}

/* Continued where nothing is left to do, the run knows what it knew. */
static void test_summary(const char *want)
{
    struct wandb *w;
    char path[512], file[600], text[256] = "";
    REQUIRE(wandb_open(&w, folder, &about, 4, &err) == 0, "%s", err.message);
    CHECK(wandb_finish(w, &err) == 0, "%s", err.message);
    wandb_close(w);
    find_file(path);
    *strrchr(path, '/') = 0;
    snprintf(file, sizeof(file), "%s/files/wandb-summary.json", path);
    FILE *f = fopen(file, "r");
    REQUIRE(f, "%s", path);
    text[fread(text, 1, sizeof(text) - 1, f)] = 0;
    fclose(f);
    CHECK(strcmp(text, want) == 0, "summary is %sexpected %s", text, want);
}

static void spoil(const char *path, long at, const char *text)
{
    FILE *f = fopen(path, "r+");
    REQUIRE(f && fseek(f, at, SEEK_SET) == 0 && fputs(text, f) >= 0 && fclose(f) == 0,
            "%s", path);
}

/* Of a file that begins well, no more than a torn first record. */
static void cut_beginning(const char *path)
{
    spoil(path, 20, "X");
    REQUIRE(truncate(path, 30) == 0, "%s", path);
}

static uint64_t bytes_of(const char *path)
{
    struct stat st;
    return stat(path, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

/* A byte in the middle is damaged: what stands behind it is neither cut nor kept. */
static void test_damage(const char *path)
{
    struct wandb *w;
    for (uint64_t step = 1; step <= 1000; step += 333) {
        REQUIRE(wandb_open(&w, folder, &about, step - 1, &err) == 0, "%s", err.message);
        wandb_value(w, "loss", step, 1);
        wandb_close(w);
    }
    const uint64_t size = bytes_of(path);
    FILE *f = fopen(path, "r");
    REQUIRE(f && fseek(f, (long)size / 2, SEEK_SET) == 0, "%s", path);
    const char old[2] = { (char)fgetc(f), 0 }, other[2] = { (char)(old[0] ^ 1), 0 };
    fclose(f);
    spoil(path, (long)size / 2, other);
    CHECK(wandb_open(&w, folder, &about, 1000, &err) == SLUICE_ECORRUPT && !w &&
              strstr(err.message, "damaged behind byte"),
          "%s", err.message);
    CHECK(bytes_of(path) == size, "the file was cut");
    spoil(path, (long)size / 2, old);
    REQUIRE(wandb_open(&w, folder, &about, 1000, &err) == 0, "%s", err.message);
    wandb_close(w);
    CHECK(bytes_of(path) == size, "a whole file was cut");
}

static void test_records(const char *tests)
{
    struct wandb *w;
    char path[512];
    REQUIRE(wandb_open(&w, folder, &about, 0, &err) == 0, "%s", err.message);
    wandb_value(w, "loss", 1, 2);
    wandb_value(w, "nothing", 1, (double)NAN);
    wandb_value(w, "loss", 3, 1.5);
    wandb_value(w, "acc", 3, 0.25);
    CHECK(wandb_flush(w, &err) == 0, "%s", err.message);
    wandb_value(w, "loss", 7, 1);
    wandb_summary(w, "test", 0.5);
    CHECK(wandb_finish(w, &err) == 0, "%s", err.message);
    wandb_close(w);
    expect(tests, BEGINNING ROW_1 ROW_3
           "history 7 loss 1\nsummary 7 loss 1\nsummary - test 0.5\nexit 0\n");
    /* Continued at step 3, with something torn at the end; then at 0: all happens
     * again. */
    find_file(path);
    FILE *f = fopen(path, "a");
    REQUIRE(f, "%s", path);
    fputs("torn", f);
    fclose(f);
    REQUIRE(wandb_open(&w, folder, &about, 3, &err) == 0, "%s", err.message);
    wandb_value(w, "loss", 4, -1e20);
    wandb_close(w);
    expect(tests,
           BEGINNING ROW_1 ROW_3 "history 4 loss -1e+20\nsummary 4 loss -1e+20\n");
    test_summary("{\"_step\": 4, \"loss\": -1e+20, \"acc\": 0.25}\n");
    REQUIRE(wandb_open(&w, folder, &about, 0, &err) == 0, "%s", err.message);
    wandb_close(w);
    expect(tests, BEGINNING);
    /* Killed while it began: it begins anew. */
    for (int i = 0; i < 3; i++) {
        if (i < 2)
            REQUIRE(truncate(path, 3) == 0, "%s", path);
        if (i == 1)
            REQUIRE(unlink(path) == 0, "%s", path);
        if (i == 2)
            cut_beginning(path);
        REQUIRE(wandb_open(&w, folder, &about, 3, &err) == 0, "%s", err.message);
        wandb_close(w);
        expect(tests, BEGINNING);
    }
    test_damage(path);
    spoil(path, 0, "another file");
    CHECK(wandb_open(&w, folder, &about, 9, &err) == SLUICE_ECORRUPT && !w, "%s",
          err.message);
    CHECK(wandb_open(&w, "/nonexistent", &about, 0, &err) == SLUICE_EIO && !w, "%s",
          err.message);
}

/* Rows enough for several blocks: fragments of every type, and a cut within them. */
static void test_blocks(const char *tests)
{
    enum { ROWS = 1500 };
    struct wandb *w;
    char path[512], last[64];
    find_file(path);
    unlink(path);
    *strrchr(path, '/') = 0;
    char command[600];
    snprintf(command, sizeof(command), "rm -r %s", path);
    REQUIRE(system(command) == 0, "%s", command);
    for (int from = 0; from < ROWS; from += ROWS / 3) {
        REQUIRE(wandb_open(&w, folder, &about, (uint64_t)from, &err) == 0, "%s",
                err.message);
        for (int i = from; i < from + ROWS / 3 + 100; i++)
            wandb_value(w, "a value of a long name, so that blocks are soon full",
                        (uint64_t)i + 1, i / 7.0);
        wandb_close(w);
    }
    find_file(path);
    struct stat st;
    REQUIRE(stat(path, &st) == 0 && st.st_size > 5 * 32768, "%s", path);
    snprintf(last, sizeof(last), "summary %d a value of", ROWS + 100);
    char count[1600];
    snprintf(count, sizeof(count),
             "test $(python3 %s/train/read_wandb.py %s | grep -c ^history) = %d && "
             "python3 %s/train/read_wandb.py %s | tail -1 | grep -q '^%s'",
             tests, path, ROWS + 100, tests, path, last);
    CHECK(system(count) == 0, "%s", count);
}

static bool keep_all(void *ctx, const unsigned char *record, size_t size)
{
    size_t *n = ctx;
    (void)record;
    n[0]++;
    n[1] += size;
    return true;
}

/* Records of every length around a block's end read back whole. */
static void test_log(void)
{
    static unsigned char data[3 * 32768];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 31 >> 3);
    for (size_t first = 32768 - 40; first <= 32768; first++) {
        char *bytes = NULL;
        size_t size = 0, seen[2] = { 0 };
        uint64_t offset;
        bool damaged;
        FILE *to = open_memstream(&bytes, &size);
        REQUIRE(to, "memory");
        wandb_log_begin(to, &offset);
        wandb_log_append(to, &offset, data, first);
        wandb_log_append(to, &offset, data, 70000);
        wandb_log_append(to, &offset, data, 0);
        fclose(to);
        CHECK(offset == size, "%llu of %zu", (unsigned long long)offset, size);
        CHECK(wandb_log_scan(bytes, size, keep_all, seen, &damaged) == size,
              "first %zu", first);
        CHECK(!damaged, "first %zu", first);
        CHECK(seen[0] == 3 && seen[1] == first + 70000, "%zu records of %zu", seen[0],
              seen[1]);
        bytes[size / 2] ^= 1;
        seen[0] = 0;
        wandb_log_scan(bytes, size, keep_all, seen, &damaged);
        CHECK(seen[0] == 1, "%zu records before the damage", seen[0]);
        CHECK(damaged, "first %zu", first);
        bytes[size / 2] ^= 1;
        wandb_log_scan(bytes, size - 8, keep_all, seen, &damaged);
        CHECK(!damaged, "torn within its last record, first %zu", first);
        free(bytes);
    }
}

int main(int argc, char **argv)
{
    REQUIRE(argc == 2, "the folder of the tests");
    REQUIRE(mkdtemp(folder), "%s", folder);
    test_log();
    test_records(argv[1]);
    test_blocks(argv[1]);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    CHECK(system(command) == 0, "%s", command);
    return check_done();
}
