/* folder_list.h -- which pictures there are: those under a folder, in an order that
 * depends on their names alone, or those of a list, in its order. */
#ifndef SLUICE_FOLDER_LIST_H
#define SLUICE_FOLDER_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

struct folder_file {
    char *path;
    int32_t label; /* number of its class; -1: there are no classes */
    uint64_t line; /* of the list; 0: there is none */
};

struct folder_list {
    struct folder_file *files;
    size_t count, room;
    char **classes; /* names of the top-level folders or of labels, sorted by bytes */
    int class_count, class_room;
    bool labelled;
    uint64_t ignored; /* files that are not called *.jpg, *.jpeg or *.png */
};

/* Each folder in `root` is a class, with whatever lies in it at any depth; without
 * folders, the pictures in `root` itself have no class. Where `names` are given, labels
 * are their numbers, and each folder is called as one of them, or by the number of one;
 * another is SLUICE_EINVAL. Symbolic links are followed, but into no folder that
 * contains them. An empty list is SLUICE_ECORRUPT. */
int folder_list(struct folder_list *out, const char *root, const char *const *names,
                int name_count, struct sluice_error *err);
/* From a list in CSV (csv.h), compressed or not: a path and a label in each line, or a
 * path alone. A first line with a column called path, file, filename or image says
 * which columns count, with label or class for the other; the rest are passed over.
 * Relative paths begin at `root`, NULL: the folder that the list is in. Labels are
 * names or numbers from 0, all of one kind; where `names` are given, each is one of
 * those or the number of one. SLUICE_ECORRUPT says which line is bad. */
int folder_list_csv(struct folder_list *out, const char *path, const char *root,
                    const char *const *names, int name_count, struct sluice_error *err);

/* Whether `label` is a whole number, a sign and digits; *out is -1 if it is not one
 * from 0 to INT32_MAX. */
bool folder_label_number(const char *label, int32_t *out);
/* Which of the names it is, or else the number of which; -1: of none. */
int32_t folder_label_match(const char *label, const char *const *names, int count);

/* Copies are added. */
int folder_list_add(struct folder_list *list, const char *path, int32_t label,
                    struct sluice_error *err);
int folder_list_add_class(struct folder_list *list, const char *name,
                          struct sluice_error *err);
void folder_list_free(struct folder_list *list);

#endif
