/* recipe_find.c -- where recipes and groups lie; see recipe_find.h. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "near.h"
#include "recipe.h"
#include "recipe_find.h"

#ifndef SLUICE_RECIPE_SOURCE
#define SLUICE_RECIPE_SOURCE ""
#endif

enum {
    FOLDERS = 3,
    NAMES = 512, /* of one kind that are listed */
};

static bool is_kind(const char *path, mode_t kind)
{
    struct stat st;
    return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

/* The i-th folder that recipes are looked for in; "" where there is none. */
static void search_folder(int i, char path[PATH_MAX])
{
    const char *env = getenv("SLUICE_RECIPES");
    *path = 0;
    if (i == 0 && env) {
        snprintf(path, PATH_MAX, "%s", env);
    } else if (i == 1) {
        char exe[PATH_MAX - 64];
        ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
        exe[n > 0 ? n : 0] = 0;
        char *slash = strrchr(exe, '/');
        if (slash) {
            *slash = 0;
            snprintf(path, PATH_MAX, "%s/../share/sluice/recipes", exe);
        }
    } else if (i == 2) {
        snprintf(path, PATH_MAX, "%s", SLUICE_RECIPE_SOURCE);
    }
}

bool recipe_is_path(const char *choice)
{
    const size_t n = strlen(choice);
    return strchr(choice, '/') || (n > 5 && strcmp(choice + n - 5, ".yaml") == 0);
}

bool recipe_find(const char *name, char path[PATH_MAX])
{
    char folder[PATH_MAX];
    for (int i = 0; i < FOLDERS; i++) {
        search_folder(i, folder);
        if (*folder &&
            (size_t)snprintf(path, PATH_MAX, "%s/%s.yaml", folder, name) < PATH_MAX &&
            is_kind(path, S_IFREG))
            return true;
    }
    return false;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The names of the YAML files (or of folders) in every search folder's `sub`. */
static int list_names(const char *sub, mode_t kind, char names[NAMES][64])
{
    char folder[PATH_MAX], path[PATH_MAX];
    int n = 0;
    for (int i = 0; i < FOLDERS; i++) {
        search_folder(i, folder);
        if (!*folder ||
            (size_t)snprintf(path, sizeof(path), "%s/%s", folder, sub) >= sizeof(path))
            continue;
        DIR *dir = opendir(path);
        for (struct dirent *e; dir && (e = readdir(dir)) && n < NAMES;) {
            char full[PATH_MAX + 300], *dot = strrchr(e->d_name, '.');
            int known = 0;
            snprintf(full, sizeof(full), "%s/%s", path, e->d_name);
            if (e->d_name[0] == '.' || !is_kind(full, kind) ||
                strlen(e->d_name) >= 64 ||
                (kind == S_IFREG && !(dot && strcmp(dot, ".yaml") == 0)))
                continue;
            if (kind == S_IFREG)
                *dot = 0;
            while (known < n && strcmp(names[known], e->d_name) != 0)
                known++;
            if (known == n)
                snprintf(names[n++], 64, "%.63s", e->d_name);
        }
        if (dir)
            closedir(dir);
    }
    qsort(names, (size_t)n, 64, compare_names);
    return n;
}

/* Begun alike, or a few letters away. */
static bool is_near(const char *name, const char *other)
{
    const size_t n = strlen(name);
    return n && (strncmp(name, other, n) == 0 ||
                 text_distance(name, other) <= (int)(n + 2) / 4);
}

/* Those of the names that are near to `name`, or all, joined by commas; "..." for what
 * has no room. Returns how many. */
static int join(char *list, size_t size, char names[][64], int n, const char *name)
{
    size_t at = 0;
    int shown = 0;
    for (int i = 0; i < n; i++) {
        if (name && !is_near(name, names[i]))
            continue;
        const bool last = at + 70 >= size;
        at += (size_t)snprintf(list + at, size - at, "%s%s", shown++ ? ", " : "",
                               last ? "..." : names[i]);
        if (last)
            break;
    }
    return shown;
}

int recipe_not_found(const char *where, const char *what, const char *name,
                     const char *sub, struct sluice_error *err)
{
    char names[NAMES][64], list[300] = "";
    const int n = list_names(sub, S_IFREG, names);
    const bool near = join(list, sizeof(list), names, n, name) > 0;
    if (!near)
        join(list, sizeof(list), names, n, NULL);
    return sluice_fail(err, SLUICE_EINVAL, "%s%sno %s '%.80s'%s%s", where,
                       *where ? ": " : "", what, name,
                       near ? "; near: "
                       : n  ? "; there are: "
                            : "",
                       list);
}

bool recipe_is_file(const char *path)
{
    return is_kind(path, S_IFREG);
}

bool recipe_has_group(const char *group)
{
    char path[PATH_MAX], folder[PATH_MAX];
    for (int i = 0; i < FOLDERS; i++) {
        search_folder(i, folder);
        if (*folder &&
            (size_t)snprintf(path, sizeof(path), "%s/%s", folder, group) <
                sizeof(path) &&
            is_kind(path, S_IFDIR))
            return true;
    }
    return false;
}

int recipe_find_choice(char *path, const char *where, const char *group,
                       const char *choice, struct sluice_error *err)
{
    char name[160];
    if (recipe_is_path(choice)) {
        snprintf(path, PATH_MAX, "%s", choice);
        return 0;
    }
    if ((size_t)snprintf(name, sizeof(name), "%s/%s", group, choice) >= sizeof(name) ||
        !recipe_find(name, path))
        return recipe_not_found(where, group, choice, group, err);
    return 0;
}

/* The file's first comment line, without its mark. */
static void first_comment(const char *name, char *line, size_t size)
{
    char path[PATH_MAX];
    FILE *f = recipe_find(name, path) ? fopen(path, "re") : NULL;
    *line = 0;
    if (f && fgets(line, (int)size, f)) {
        line[strcspn(line, "\n")] = 0;
        if (*line == '#')
            memmove(line, line + 1 + (line[1] == ' '), strlen(line));
        else
            *line = 0;
    }
    if (f)
        fclose(f);
}

void recipe_list(FILE *to)
{
    char names[NAMES][64], files[NAMES][64], line[160];
    int n = list_names(".", S_IFREG, names);
    fputs("recipes:\n", to);
    for (int i = 0; i < n; i++) {
        first_comment(names[i], line, sizeof(line));
        fprintf(to, "  %-28s %s\n", names[i], line);
    }
    n = list_names(".", S_IFDIR, names);
    fputs("\ngroups:\n", to);
    for (int i = 0; i < n; i++) {
        int m = list_names(names[i], S_IFREG, files);
        fprintf(to, "  %s=", names[i]);
        for (int k = 0; k < m; k++)
            fprintf(to, "%s%s", k ? "|" : "", files[k]);
        fputc('\n', to);
    }
}
