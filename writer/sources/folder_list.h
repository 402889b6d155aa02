/* folder_list.h -- the pictures under a folder, in an order that depends on their names
 * alone. */
#ifndef SLUICE_FOLDER_LIST_H
#define SLUICE_FOLDER_LIST_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

struct folder_file {
    char *path;
    int32_t label; /* number of its class; -1: there are no classes */
};

struct folder_list {
    struct folder_file *files;
    size_t count, room;
    char **classes; /* names of the top-level folders, sorted by bytes */
    int class_count, class_room;
    uint64_t ignored; /* files that are not called *.jpg, *.jpeg or *.png */
};

/* Each folder in `root` is a class, with whatever lies in it at any depth; without
 * folders, the pictures in `root` itself have no class. Symbolic links are followed,
 * but into no folder that contains them. An empty list is SLUICE_ECORRUPT. */
int folder_list(struct folder_list *out, const char *root, struct sluice_error *err);
void folder_list_free(struct folder_list *list);

#endif
