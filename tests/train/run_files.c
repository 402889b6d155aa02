/* run_files.c -- what a run writes: event files, tables and plots, also when they are
 * cut and continued. Independent readers: tests/train/read_tfevents.py and Python's
 * XML parser. argv[1]: the folder of the tests. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "metrics.h"
#include "plot.h"
#include "run_dir.h"
#include "tfevents.h"
#include "whole_file.h"

static char folder[64] = "/tmp/sluice-files-XXXXXX";
static struct sluice_error err;

static const char *in_folder(char buf[256], const char *name)
{
    snprintf(buf, 256, "%s/%s", folder, name);
    return buf;
}

/* What a command prints; its exit status in *status. */
static char *run(const char *command, int *status)
{
    static char text[16384];
    FILE *p = popen(command, "r");
    REQUIRE(p, "%s", command);
    text[fread(text, 1, sizeof(text) - 1, p)] = 0;
    *status = pclose(p);
    return text;
}

static void find_events(char path[512])
{
    DIR *dir = opendir(folder);
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (strncmp(e->d_name, "events.", 7) == 0) {
            snprintf(path, 512, "%s/%s", folder, e->d_name);
            n++;
        }
    closedir(dir);
    REQUIRE(n == 1, "%d event files", n);
}

static void expect_events(const char *tests, const char *want)
{
    char path[512], command[1024], *got;
    int status;
    find_events(path);
    snprintf(command, sizeof(command), "python3 %s/train/read_tfevents.py %s", tests,
             path);
    got = run(command, &status);
    CHECK(status == 0, "the reader refused the file");
    CHECK(strcmp(got, want) == 0, "events are:\n%sexpected:\n%s", got, want);
}

static void flip_byte(const char *path, long at)
{
    FILE *f = fopen(path, "r+");
    REQUIRE(f && fseek(f, at, SEEK_SET) == 0, "%s", path);
    const int byte = fgetc(f);
    REQUIRE(fseek(f, at, SEEK_SET) == 0 && fputc(byte ^ 1, f) >= 0 && fclose(f) == 0,
            "%s", path);
}

static void test_events(const char *tests)
{
    struct tfevents *t = NULL;
    char path[512];
    REQUIRE(tfevents_create(&t, folder, &err) == 0, "%s", err.message);
    tfevents_scalar(t, "train/loss", 1, 0.5);
    tfevents_scalar(t, "train/loss", 300, 0.25);
    tfevents_scalar(t,
                    "a tag that is much longer than a hundred bytes, which is as long "
                    "as a tag may be, so that it is cut somewhere about here, or there",
                    70000, -1e20);
    CHECK(tfevents_flush(t, &err) == 0, "%s", err.message);
    tfevents_close(t);
    expect_events(tests,
                  "1 train/loss 0.5\n300 train/loss 0.25\n70000 a tag that is much "
                  "longer than a hundred bytes, which is as long as a tag may be, "
                  "so that it is cut  -1e+20\n");
    /* Continue at step 300: the later record goes, and a torn one behind it. */
    find_events(path);
    FILE *f = fopen(path, "a");
    REQUIRE(f, "%s", path);
    fputs("torn", f);
    fclose(f);
    REQUIRE(tfevents_continue(&t, folder, 300, &err) == 0, "%s", err.message);
    tfevents_scalar(t, "test/loss", 301, 3);
    CHECK(tfevents_flush(t, &err) == 0, "%s", err.message);
    tfevents_close(t);
    expect_events(tests, "1 train/loss 0.5\n300 train/loss 0.25\n301 test/loss 3\n");
    /* A byte in the middle is damaged: what stands behind it is neither cut nor kept.
     */
    struct stat st;
    REQUIRE(stat(path, &st) == 0, "%s", path);
    flip_byte(path, st.st_size / 2);
    CHECK(tfevents_continue(&t, folder, 301, &err) == SLUICE_ECORRUPT &&
              strstr(err.message, "damaged at byte"),
          "%s", err.message);
    flip_byte(path, st.st_size / 2);
    expect_events(tests, "1 train/loss 0.5\n300 train/loss 0.25\n301 test/loss 3\n");
    unlink(path);
    t = NULL;
    CHECK(tfevents_create(&t, "/nonexistent/folder", &err) == SLUICE_EIO && !t, "%s",
          err.message);
}

static struct epoch_row row(int epoch)
{
    return (struct epoch_row){ epoch,       (uint64_t)epoch * 100,
                               2.0 / epoch, .5,
                               (double)NAN, (double)NAN,
                               1e-3,        .9,
                               1.5,         41234,
                               .003,        640.5 };
}

static void expect_text(const char *path, const char *want)
{
    char *text;
    size_t size;
    REQUIRE(text_file_read(&text, &size, path, 1 << 20, &err) == 0, "%s", err.message);
    CHECK(strcmp(text, want) == 0, "%s is:\n%sexpected:\n%s", path, text, want);
    free(text);
}

/* In place of the C library's, which cannot be asked whether it was called. */
static int synced;

int fsync(int fd)
{
    synced++;
    return (int)syscall(SYS_fsync, fd);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    REQUIRE(f && fputs(text, f) >= 0 && fclose(f) == 0, "%s", path);
}

static void add_epoch(struct table *t, struct epoch_row r)
{
    CHECK(table_epoch(t, &r, &err) == 0, "%s", err.message);
}

static void test_tables(void)
{
    static const char heading[] =
        "epoch,step,loss,accuracy,test_loss,test_accuracy,lr,"
        "momentum,seconds,images_per_second,wait,memory_mib\n";
    char path[256], want[1024];
    struct epoch_row *rows;
    struct table *t;
    int n;
    in_folder(path, "metrics.csv");
    REQUIRE(table_open(&t, path, TABLE_EPOCHS, 0, &err) == 0, "%s", err.message);
    for (int i = 1; i <= 3; i++)
        add_epoch(t, row(i));
    table_close(t);
    FILE *f = fopen(path, "a");
    REQUIRE(f, "%s", path);
    fputs("4,400,0.1", f); /* torn */
    fclose(f);
    REQUIRE(table_open(&t, path, TABLE_EPOCHS, 2, &err) == 0, "%s", err.message);
    struct epoch_row again = row(3);
    again.test_loss = 1.25;
    again.test_accuracy = .75;
    add_epoch(t, again);
    table_close(t);
    snprintf(want, sizeof(want), "%s%s%s%s", heading,
             "1,100,2,0.5,,,0.001,0.9,1.5,41234,0.003,640.5\n",
             "2,200,1,0.5,,,0.001,0.9,1.5,41234,0.003,640.5\n",
             "3,300,0.666666667,0.5,1.25,0.75,0.001,0.9,1.5,41234,0.003,640.5\n");
    expect_text(path, want);
    REQUIRE(metrics_read(&rows, &n, path, &err) == 0, "%s", err.message);
    REQUIRE(n == 3, "%d rows", n);
    CHECK(rows[2].epoch == 3 && rows[2].step == 300, "row");
    CHECK(near(rows[2].test_accuracy, .75, 0, 0) && isnan(rows[0].test_loss), "row");
    CHECK(near(rows[2].wait, .003, 0, 0), "%g", rows[2].wait);
    CHECK(near(rows[2].memory_mib, 640.5, 0, 0), "%g", rows[2].memory_mib);
    free(rows);
    REQUIRE(table_open(&t, path, TABLE_EPOCHS, 0, &err) == 0, "%s", err.message);
    table_close(t);
    expect_text(path, heading);
    /* What is not this table's is not thrown away; a heading that was cut off is
     * written again. */
    write_text(path, "epoch;step;loss\n1;2;3\n");
    CHECK(table_open(&t, path, TABLE_EPOCHS, 1, &err) == SLUICE_EINVAL &&
              strstr(err.message, "found 'epoch;step;loss'; move the file away"),
          "%s", err.message);
    expect_text(path, "epoch;step;loss\n1;2;3\n");
    write_text(path, "epoch,st");
    REQUIRE(table_open(&t, path, TABLE_EPOCHS, 1, &err) == 0, "%s", err.message);
    expect_text(path, heading);
    in_folder(want, "fifo");
    REQUIRE(mkfifo(want, 0600) == 0, "%s", want);
    char *text;
    size_t size;
    CHECK(text_file_read(&text, &size, want, 1 << 20, &err) == SLUICE_EINVAL && !text,
          "a FIFO is read");
    unlink(want);
    synced = 0;
    add_epoch(t, row(2));
    CHECK(table_sync(t, &err) == 0 && table_sync(NULL, &err) == 0 && synced == 1,
          "synced %d times", synced);
    table_close(t);
    unlink(path);
}

/* Columns for each of several heads, behind the others. */
static void test_heads(void)
{
    static const char want[] =
        "epoch,step,loss,accuracy,test_loss,test_accuracy,lr,momentum,seconds,"
        "images_per_second,wait,memory_mib,meta_loss,base_loss,base_loss_1,base_acc_1,"
        "base_loss_2,base_acc_2,test_meta_loss,test_base_loss,test_base_loss_1,"
        "test_base_acc_1,test_base_loss_2,test_base_acc_2\n"
        "1,100,2,0.5,,,0.001,0.9,1.5,41234,0.003,640.5,"
        "0.25,3,1,0.5,2,0.75,0.5,5,3,0.25,2,0.125\n"
        "2,200,1,0.5,,,0.001,0.9,1.5,41234,0.003,640.5,"
        "0.25,3,1,0.5,2,0.75,,,,,,\n";
    const struct head_row heads[] = { { .25, .875, .5, .9 },
                                      { 1, .5, 3, .25 },
                                      { 2, .75, 2, .125 } };
    struct epoch_row r = row(1), *rows;
    struct table *t;
    char path[256], line[1024];
    int n;
    in_folder(path, "metrics.csv");
    REQUIRE(table_open_heads(&t, path, 3, 0, &err) == 0, "%s", err.message);
    r.heads = 3;
    memcpy(r.head, heads, sizeof(heads));
    add_epoch(t, r);
    CHECK(strcmp(epoch_heads_line(line, &r),
                 "  train  meta 0.2500 87.50%  base 1 1.0000 50.00%  base 2 2.0000 "
                 "75.00%  | test  meta 0.5000 90.00%  base 1 3.0000 25.00%  base 2 "
                 "2.0000 12.50%") == 0,
          "'%s'", line);
    r = row(2);
    r.heads = 3;
    for (int i = 0; i < 3; i++)
        r.head[i] =
            (struct head_row){ heads[i].loss, heads[i].accuracy, nan(""), nan("") };
    add_epoch(t, r);
    CHECK(!strstr(epoch_heads_line(line, &r), "test"), "'%s'", line);
    table_close(t);
    REQUIRE(table_open_heads(&t, path, 3, 2, &err) == 0, "%s", err.message);
    table_close(t);
    expect_text(path, want);
    REQUIRE(metrics_read(&rows, &n, path, &err) == 0 && n == 2, "%d rows", n);
    CHECK(near(rows[0].memory_mib, 640.5, 0, 0), "%g", rows[0].memory_mib);
    free(rows);
    unlink(path);
}

static void test_line(void)
{
    struct epoch_row r = row(12);
    char line[256];
    r.test_accuracy = .92;
    r.accuracy = .931;
    r.lr = .1;
    r.loss = .431;
    CHECK(strcmp(epoch_line(line, &r, 24),
                 "epoch  12/24  loss 0.4310  acc 93.10%  test 92.00%  lr 0.1        "
                 "img/s  41,234  wait  0.3%  1.5s") == 0,
          "'%s'", line);
    r = row(3);
    CHECK(strstr(epoch_line(line, &r, 24), "epoch   3/24  "), "'%s'", line);
    CHECK(strstr(line, "test      -  "), "'%s'", line);
}

/* A full disk is an error of the row that did not fit. */
static void test_full(void)
{
    struct table *t = NULL;
    if (access("/dev/full", W_OK) < 0)
        return;
    int rc = table_open(&t, "/dev/full", TABLE_EPOCHS, 0, &err);
    CHECK(rc == SLUICE_EIO && !t, "/dev/full took the heading");
    CHECK(strstr(err.message, "/dev/full: No space"), "%s", err.message);
}

static void test_plots(void)
{
    const double nan_value = nan("");
    const double x[] = { 1, 2, 3, 4 }, y[] = { 2.5, 1, nan_value, -0.75 };
    const double none[] = { nan_value, nan_value, nan_value, nan_value };
    const double same[] = { 5, 5, 5, 5 }, tiny[] = { 1e-9, 2e-9, 3e-9, 5e-7 };
    const struct series mixed[] = { { "a <b> & \"c\"", y }, { "none", none } };
    const struct series flat = { "same", same }, nothing = { "none", none },
                        small = { "small", tiny };
    const struct plot plots[] = {
        { "Loss & <more>", "epoch", "y", x, 4, mixed, 2 },
        { "Flat", "epoch", "y", x, 4, &flat, 1 },
        { "One", "epoch", "y", x, 1, &flat, 1 },
        { "None", "epoch", "y", x, 4, &nothing, 1 },
        { "Empty", "epoch", "y", x, 0, &nothing, 1 },
        { "Small", "epoch", "y", x, 4, &small, 1 },
    };
    char path[256], command[1024], *text;
    int status;
    size_t size;
    in_folder(path, "plot.svg");
    snprintf(command, sizeof(command),
             "python3 -c \"import sys, xml.etree.ElementTree as e; "
             "r = e.parse(sys.argv[1]).getroot(); "
             "print(r.tag, len(r.findall('.//{*}path')), "
             "min(len(t.text or '') for t in r.findall('.//{*}text')) > 0)\" %s",
             path);
    for (size_t i = 0; i < sizeof(plots) / sizeof(*plots); i++) {
        char want[128];
        REQUIRE(plot_write(path, &plots[i], &err) == 0, "%s", err.message);
        snprintf(want, sizeof(want), "{http://www.w3.org/2000/svg}svg %d True\n",
                 1 + plots[i].series_count);
        char *got = run(command, &status);
        CHECK(status == 0 && strcmp(got, want) == 0, "plot %zu: %s", i, got);
        REQUIRE(text_file_read(&text, &size, path, 1 << 20, &err) == 0, "%s",
                err.message);
        CHECK(!strstr(text, "nan") && !strstr(text, "inf"), "plot %zu: not a number",
              i);
        CHECK(i != 0 || !strstr(text, ">1.5<"), "epochs marked by halves");
        free(text);
    }
    unlink(path);
}

static void test_new_file(void)
{
    char path[256];
    struct new_file f;
    in_folder(path, "whole");
    REQUIRE(file_begin(&f, path, &err) == 0, "%s", err.message);
    fputs("old", f.to);
    CHECK(access(path, F_OK) < 0, "there before it is whole");
    CHECK(file_commit(&f, &err) == 0, "%s", err.message);
    expect_text(path, "old");
    REQUIRE(file_begin(&f, path, &err) == 0, "%s", err.message);
    fputs("new", f.to);
    fflush(f.to);
    expect_text(path, "old");
    CHECK(file_commit(&f, &err) == 0, "%s", err.message);
    expect_text(path, "new");
    CHECK(access(f.temporary, F_OK) < 0, "the temporary file is left");
    unlink(path);
}

/* Each writes a file of its own, and the last to commit stays, whole. */
static void test_two_writers(void)
{
    char path[256], stale[300], other[300];
    struct new_file a, b;
    in_folder(path, "both");
    snprintf(stale, sizeof(stale), "%s.tmp-1-0", path); /* a killed process left it */
    snprintf(other, sizeof(other), "%s.tmp", path);
    FILE *left = fopen(stale, "w");
    REQUIRE(left && fclose(left) == 0 && symlink("victim", other) == 0, "%s", stale);
    REQUIRE(file_begin(&a, path, &err) == 0, "%s", err.message);
    CHECK(access(stale, F_OK) < 0, "%s is left", stale);
    fputs("a long first line\n", a.to);
    REQUIRE(file_begin(&b, path, &err) == 0, "%s", err.message);
    fputs("short\n", b.to);
    const struct file_part part = { "third\n", 6 };
    CHECK(whole_file_replace(path, &part, 1, &err) == 0, "%s", err.message);
    expect_text(path, "third\n");
    CHECK(file_commit(&a, &err) == 0, "%s", err.message);
    expect_text(path, "a long first line\n");
    CHECK(file_commit(&b, &err) == 0, "%s", err.message);
    expect_text(path, "short\n");
    CHECK(access(a.temporary, F_OK) < 0 && access(b.temporary, F_OK) < 0,
          "temporary files are left");
    unlink(other);
    unlink(path);
}

/* Nothing but files is replaced. */
static void test_devices(void)
{
    const struct file_part part = { "text\n", 5 };
    char path[256];
    struct new_file f;
    in_folder(path, "null");
    REQUIRE(symlink("/dev/null", path) == 0, "%s", path);
    CHECK(file_begin(&f, path, &err) == SLUICE_EINVAL &&
              strstr(err.message, "null: expected a regular file or none"),
          "%s", err.message);
    CHECK(whole_file_replace(path, &part, 1, &err) == SLUICE_EINVAL, "a device");
    unlink(path);
}

/* With the link, and the one that began last without; a link to nothing is not gone
 * around. */
static void expect_latest(const char *parent, const struct run_dir *first)
{
    struct run_dir run, second;
    char path[RUN_PATH], link[512];
    const struct timespec times[2] = { { .tv_sec = 1e9 }, { .tv_sec = 1e9 } };
    snprintf(link, sizeof(link), "%s/latest", parent);
    write_text(run_file(path, first, "config.yaml"), "seed: 1\n");
    CHECK(run_dir_open(&run, parent, &err) == 0 && strcmp(run.path, link) == 0, "%s",
          run.path);
    REQUIRE(run_dir_create(&second, parent, "y", RUN_PLAIN, &err) == 0, "%s",
            err.message);
    unlink(link);
    CHECK(run_dir_open(&run, parent, &err) == 0 && strcmp(run.path, first->path) == 0,
          "%s", run.path);
    REQUIRE(utimensat(AT_FDCWD, path, times, 0) == 0, "%s", path);
    write_text(run_file(path, &second, "config.yaml"), "seed: 2\n");
    CHECK(run_dir_open(&run, parent, &err) == 0 && strcmp(run.path, second.path) == 0,
          "%s", run.path);
    REQUIRE(symlink("nothing", link) == 0, "%s", link);
    CHECK(run_dir_open(&run, parent, &err) == SLUICE_EINVAL, "%s", run.path);
}

static void test_folders(void)
{
    struct run_dir a, b, c;
    char path[RUN_PATH], parent[256], target[256], command[512];
    int status;
    in_folder(parent, "deep/runs");
    REQUIRE(run_dir_create(&a, parent, "x", RUN_PLAIN, &err) == 0, "%s", err.message);
    REQUIRE(run_dir_create(&b, parent, "x", RUN_PLAIN, &err) == 0, "%s", err.message);
    CHECK(strcmp(a.path, b.path) != 0, "one folder for two runs");
    CHECK(run_dir_settle(&a, 0) == 0 && run_dir_settle(&b, SLUICE_EIO) == SLUICE_EIO,
          "another outcome");
    CHECK(access(b.path, F_OK) < 0, "%s is left", b.path);
    snprintf(path, sizeof(path), "%s/latest", parent);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = 0;
    CHECK(n > 0 && strcmp(a.path + strlen(parent) + 1, target) == 0, "latest is %s",
          target);
    CHECK(run_dir_open(&c, a.path, &err) == SLUICE_EINVAL, "no config.yaml");
    expect_latest(parent, &a);
    CHECK(run_dir_create(&c, parent, "a/b", RUN_PLAIN, &err) == SLUICE_EINVAL,
          "a name with /");
    CHECK(run_dir_create(&c, "/proc/nope", "x", RUN_PLAIN, &err) == SLUICE_EIO, "%s",
          c.path);
    snprintf(command, sizeof(command), "rm -r %s/deep", folder);
    run(command, &status);
}

int main(int argc, char **argv)
{
    int status;
    REQUIRE(argc == 2, "expected the folder of the tests");
    REQUIRE(mkdtemp(folder), "%s", folder);
    run("python3 -c 1", &status);
    if (status != 0)
        SKIP("no python3");
    test_events(argv[1]);
    test_tables();
    test_heads();
    test_line();
    test_full();
    test_plots();
    test_new_file();
    test_two_writers();
    test_devices();
    test_folders();
    rmdir(folder);
    return check_done();
}
