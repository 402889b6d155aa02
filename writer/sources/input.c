/* input.c -- archives and files through libarchive: it knows tar in every dialect and
 * every compression that publishers use, and says when one is truncated. Of gzip it
 * does not compare the checksum, so gunzip.c inflates that. */
#include <archive.h>
#include <archive_entry.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sluice/crc32c.h>

#include "gunzip.h"
#include "input.h"
#include "options.h"

enum { CHUNK = 1 << 20 };

/* An archive, or one file that may be compressed. */
struct opened {
    struct archive *archive;
    struct gunzip *gunzip; /* what the archive reads; NULL: it is not in gzip */
    const char *path;      /* for messages */
};

bool input_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_archive(const char *path)
{
    static const char *const endings[] = { ".tgz",  ".tbz", ".tbz2", ".txz",
                                           ".tzst", ".zip", NULL };
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    for (int i = 0; dot && endings[i]; i++)
        if (strcmp(dot, endings[i]) == 0)
            return true;
    /* At the end, or before one more suffix: train.targets.csv is none. */
    const char *tar = strstr(name, ".tar");
    for (; tar; tar = strstr(tar + 1, ".tar"))
        if (!tar[4] || (tar[4] == '.' && !strchr(tar + 5, '.')))
            return true;
    return false;
}

bool input_is_plain(const char *path)
{
    return !input_is_folder(path) && !is_archive(path);
}

/* member: of the archive; NULL: none. What gunzip has to say is the cause. */
static int archive_fail(const struct opened *o, const char *member,
                        struct sluice_error *err)
{
    const char *text = archive_error_string(o->archive);
    const void *bytes;
    const ssize_t n = o->gunzip ? gunzip_read(o->gunzip, &bytes, err) : 0;
    if (n < 0)
        return (int)n;
    return sluice_fail(
        err, archive_errno(o->archive) == ENOMEM ? SLUICE_ENOMEM : SLUICE_ECORRUPT,
        "%s%s%s: %s", o->path, member ? ": " : "", member ? member : "",
        text ? text : "cannot be read");
}

static int stopped(struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_ESTOPPED, "interrupted; nothing was written");
}

/* The present entry's bytes. */
static int read_entry(const struct opened *o, struct input_file *f, size_t limit,
                      struct sluice_error *err)
{
    size_t room = 0;
    f->size = 0;
    for (;;) {
        if (f->size == room) {
            room = room ? room * 2 : CHUNK;
            uint8_t *more = realloc(f->data, room);
            if (!more)
                return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", o->path);
            f->data = more;
        }
        if (cli_interrupted())
            return stopped(err);
        ssize_t n = archive_read_data(o->archive, f->data + f->size, room - f->size);
        if (n < 0)
            return archive_fail(o, f->name, err);
        if (n == 0)
            return 0;
        f->size += (size_t)n;
        if (f->size > limit)
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%s: %s: more than the expected %zu bytes", o->path,
                               f->name, limit);
    }
}

static la_ssize_t next_bytes(struct archive *a, void *gunzip, const void **bytes)
{
    const ssize_t n = gunzip_read(gunzip, bytes, NULL);
    if (n < 0)
        archive_set_error(a, EIO, "damaged gzip data"); /* archive_fail knows more */
    return n < 0 ? ARCHIVE_FATAL : n;
}

static void close_archive(struct opened *o)
{
    archive_read_free(o->archive);
    gunzip_close(o->gunzip);
}

static int open_gunzip(struct opened *o, const struct input_file *packed,
                       struct sluice_error *err)
{
    if (packed && !packed->size)
        return 0;
    FILE *file =
        packed ? fmemopen(packed->data, packed->size, "rb") : fopen(o->path, "rb");
    return file ? gunzip_open(&o->gunzip, file, o->path, err)
                : sluice_fail(err, errno == ENOMEM ? SLUICE_ENOMEM : SLUICE_EIO,
                              "%s: %s", o->path, strerror(errno));
}

/* The file at `path`, or `packed` if there is one: then `path` is for messages. A raw
 * one is no archive, but one file that may be compressed. */
static int open_archive(struct opened *o, const char *path,
                        const struct input_file *packed, bool raw,
                        struct sluice_error *err)
{
    *o = (struct opened){ .archive = archive_read_new(), .path = path };
    struct archive *a = o->archive;
    if (!a)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    archive_read_support_filter_all(a);
    if (raw) {
        archive_read_support_format_raw(a);
    } else {
        archive_read_support_format_tar(a);
        archive_read_support_format_zip(a);
    }
    int rc = open_gunzip(o, packed, err);
    if (rc == 0 &&
        (o->gunzip ? archive_read_open(a, o->gunzip, NULL, next_bytes, NULL)
         : packed  ? archive_read_open_memory(a, packed->data, packed->size)
                   : archive_read_open_filename(a, path, CHUNK)) != ARCHIVE_OK)
        rc = archive_fail(o, NULL, err);
    if (rc < 0)
        close_archive(o);
    return rc;
}

/* An archive ends before its file does: the checksum is behind all of it. */
static int read_to_end(const struct opened *o, struct sluice_error *err)
{
    const void *bytes;
    ssize_t n = 0;
    while (o->gunzip && (n = gunzip_read(o->gunzip, &bytes, err)) > 0)
        ;
    return (int)n;
}

/* The one file that it is. */
static int read_raw(const struct opened *o, struct input_file *f, size_t limit,
                    struct sluice_error *err)
{
    struct archive_entry *entry;
    const int rc = archive_read_next_header(o->archive, &entry) == ARCHIVE_OK
                       ? read_entry(o, f, limit, err)
                       : archive_fail(o, NULL, err);
    return rc < 0 ? rc : read_to_end(o, err);
}

/* One file as it is, decompressed. */
static int load_file(const char *path, struct input_file *f, size_t limit,
                     struct sluice_error *err)
{
    struct opened o;
    FILE *probe = fopen(path, "rb");
    if (!probe)
        return sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(errno));
    const bool empty = fgetc(probe) == EOF;
    fclose(probe);
    if (empty)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: the file is empty", path);
    int rc = open_archive(&o, path, NULL, true, err);
    if (rc < 0)
        return rc;
    rc = read_raw(&o, f, limit, err);
    close_archive(&o);
    return rc;
}

/* The path of a file in a folder, as it is called or with .gz behind it: 1; 0: there is
 * none; SLUICE_EIO: nobody can tell. */
static int find_in(char path[PATH_MAX], const char *folder, const char *name,
                   struct sluice_error *err)
{
    static const char *const endings[] = { "", ".gz", NULL };
    struct stat st;
    for (int k = 0; endings[k]; k++) {
        const int n = snprintf(path, PATH_MAX, "%s/%s%s", folder, name, endings[k]);
        if (n < PATH_MAX && stat(path, &st) == 0)
            return 1;
        if (n < PATH_MAX && errno != ENOENT)
            return sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(errno));
    }
    return 0;
}

static int load_folder(const char *folder, struct input_file *files, int count,
                       size_t limit, struct sluice_error *err)
{
    char path[PATH_MAX];
    for (int i = 0; i < count; i++) {
        int rc = find_in(path, folder, files[i].name, err);
        if (rc > 0)
            rc = load_file(path, &files[i], limit, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* The next member, ARCHIVE_EOF or an error. A name that the locale has no letters for
 * is a warning: it is none that we look for. */
static int next_member(struct archive *a, struct archive_entry **entry)
{
    const int rc = archive_read_next_header(a, entry);
    return rc == ARCHIVE_WARN ? ARCHIVE_OK : rc;
}

static const char *member_name(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    const char *slash = name ? strrchr(name, '/') : NULL;
    return slash ? slash + 1 : name ? name : "";
}

/* Whether a member is called `wanted`, or has .gz behind that. */
static bool is_called(const char *member, const char *wanted, bool *packed)
{
    const size_t n = strlen(wanted);
    *packed = member[0] && strcmp(member + strnlen(member, n), ".gz") == 0;
    return strncmp(member, wanted, n) == 0 && (*packed || !member[n]);
}

/* The present entry, which is compressed on its own. */
static int read_packed(const struct opened *o, struct input_file *f, size_t limit,
                       struct sluice_error *err)
{
    struct input_file packed = { .name = f->name };
    struct opened inner;
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s: %s.gz", o->path, f->name);
    int rc = read_entry(o, &packed, limit, err);
    if (rc == 0 && (rc = open_archive(&inner, path, &packed, true, err)) == 0) {
        rc = read_raw(&inner, f, limit, err);
        close_archive(&inner);
    }
    free(packed.data);
    return rc;
}

/* Whether one is the other, compressed, in the same place. */
static bool is_twin(const char *a, const char *b)
{
    const bool longer = strlen(a) > strlen(b);
    bool packed;
    return is_called(longer ? a : b, longer ? b : a, &packed) && packed;
}

/* The present entry, as the wanted file `f`; *found: the path of the one that it was
 * loaded from, or NULL. */
static int load_member(const struct opened *o, struct archive_entry *entry,
                       struct input_file *f, char **found, size_t limit,
                       struct sluice_error *err)
{
    const char *name = archive_entry_pathname(entry);
    bool packed;
    is_called(member_name(entry), f->name, &packed);
    if (archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFLNK)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%.200s: %.200s is a link, expected the file itself",
                           o->path, name);
    if (*found && is_twin(*found, name))
        return 0;
    if (*found)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%.150s: expected one %s, found %.120s and %.120s", o->path,
                           f->name, *found, name);
    if (!(*found = strdup(name)))
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", o->path);
    return packed ? read_packed(o, f, limit, err) : read_entry(o, f, limit, err);
}

/* found: of each wanted file, the path of its member; all NULL. */
static int load_found(const struct opened *o, struct input_file *files, char **found,
                      int count, size_t limit, struct sluice_error *err)
{
    struct archive_entry *entry;
    bool packed;
    int rc;
    while ((rc = next_member(o->archive, &entry)) == ARCHIVE_OK) {
        const char *name = member_name(entry);
        if (cli_interrupted())
            return stopped(err);
        for (int i = 0; i < count; i++)
            if (is_called(name, files[i].name, &packed)) {
                rc = load_member(o, entry, &files[i], &found[i], limit, err);
                if (rc < 0)
                    return rc;
                break;
            }
    }
    return rc == ARCHIVE_EOF ? read_to_end(o, err) : archive_fail(o, NULL, err);
}

static int load_members(const struct opened *o, struct input_file *files, int count,
                        size_t limit, struct sluice_error *err)
{
    char **found = calloc((size_t)count, sizeof(*found));
    if (!found)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", o->path);
    const int rc = load_found(o, files, found, count, limit, err);
    for (int i = 0; i < count; i++)
        free(found[i]);
    free(found);
    return rc;
}

bool input_has(const char *path, const char *name)
{
    char where[PATH_MAX];
    struct opened o;
    struct archive_entry *entry;
    bool found = false, packed;
    if (input_is_folder(path))
        return find_in(where, path, name, NULL) != 0; /* loading says what is wrong */
    if (!is_archive(path) || open_archive(&o, path, NULL, false, NULL) < 0)
        return false;
    while (!found && !cli_interrupted() && next_member(o.archive, &entry) == ARCHIVE_OK)
        found = is_called(member_name(entry), name, &packed);
    close_archive(&o);
    return found;
}

int input_load(const char *path, struct input_file *files, int count, size_t limit,
               struct sluice_error *err)
{
    struct opened o;
    struct stat st;
    if (stat(path, &st) < 0)
        return sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(errno));
    if (input_is_folder(path))
        return load_folder(path, files, count, limit, err);
    if (!is_archive(path))
        return load_file(path, &files[0], limit, err);
    if (S_ISREG(st.st_mode) && !st.st_size)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: the file is empty", path);
    int rc = open_archive(&o, path, NULL, false, err);
    if (rc < 0)
        return rc;
    rc = load_members(&o, files, count, limit, err);
    close_archive(&o);
    return rc;
}

void input_free(struct input_file *files, int count)
{
    for (int i = 0; i < count; i++) {
        free(files[i].data);
        files[i].data = NULL;
    }
}

static bool is_utf8(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        int more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
        if ((more && p[0] < 0xc2) || p[0] > 0xf4 || (p[0] == 0xe0 && p[1] < 0xa0) ||
            (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
            (p[0] == 0xf4 && p[1] > 0x8f))
            return false;
        for (p++; more; more--)
            if (*p++ >> 6 != 2)
                return false;
    }
    return true;
}

/* JSON is UTF-8: in a name that is not, question marks stand for bytes above 127. */
static void add_name(cJSON *object, const char *name)
{
    cJSON *text = cJSON_AddStringToObject(object, "name", name);
    for (char *at = text && !is_utf8(name) ? text->valuestring : NULL; at && *at; at++)
        if ((unsigned char)*at > 0x7f)
            *at = '?';
}

/* The split that was asked for, but of a file that stands alone what its name says: it
 * was taken as it is. */
static void add_split(cJSON *root, const struct source_options *opt)
{
    const char *slash = strrchr(opt->input, '/');
    const char *name = slash ? slash + 1 : opt->input;
    const bool alone = input_is_plain(opt->input);
    if (alone ? strstr(name, "test") || strstr(name, "t10k") : opt->test)
        cJSON_AddStringToObject(root, "split", "test");
    else if (!alone || strstr(name, "train") || strstr(name, "data_batch"))
        cJSON_AddStringToObject(root, "split", "train");
}

char *input_provenance(const char *source, const struct source_options *opt,
                       const struct input_file *files, int count)
{
    cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "files");
    cJSON_AddStringToObject(root, "source", source);
    add_split(root, opt);
    for (int i = 0; i < count; i++) {
        char crc[16];
        cJSON *one = cJSON_CreateObject();
        if (!files[i].data) {
            cJSON_Delete(one);
            continue;
        }
        snprintf(crc, sizeof(crc), "%08" PRIx32,
                 sluice_crc32c(0, files[i].data, files[i].size));
        add_name(one, files[i].name);
        cJSON_AddNumberToObject(one, "bytes", (double)files[i].size);
        cJSON_AddStringToObject(one, "crc32c", crc);
        cJSON_AddItemToArray(list, one);
    }
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

/* The last part of a path, of its real one where that is no name. */
static const char *own_name(char buf[PATH_MAX], const char *path)
{
    size_t n = (size_t)snprintf(buf, PATH_MAX, "%s", path);
    n = n < PATH_MAX ? n : PATH_MAX - 1;
    while (n > 1 && buf[n - 1] == '/')
        buf[--n] = 0;
    const char *slash = strrchr(buf, '/'), *name = slash ? slash + 1 : buf;
    if (*name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        return name;
    slash = realpath(path, buf) ? strrchr(buf, '/') : NULL;
    return slash ? slash + 1 : "";
}

char *input_provenance_pictures(const char *source, const char *path, uint64_t count)
{
    char buf[PATH_MAX];
    cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "files");
    cJSON *one = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "source", source);
    cJSON_AddStringToObject(root, "split", "all");
    add_name(one, own_name(buf, path));
    cJSON_AddNumberToObject(one, "samples", (double)count);
    cJSON_AddItemToArray(list, one);
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}
