/* config_json.c -- a configuration as JSON, for programs that read no YAML: the keys of
 * config.yaml, texts and lists as they are typed. */
#include <string.h>

#include "config_parts.h"
#include "text_write.h"

static void write_value(FILE *to, const struct config_option *o,
                        const struct config *cfg)
{
    const char *slot = (const char *)cfg + o->offset;
    char buf[64];
    if (config_write_plain(to, o->kind, slot))
        return;
    write_quoted(to, o->kind == CONFIG_CHOICE
                         ? choice_name(buf, o->choices, *(const int *)slot)
                         : slot);
}

/* Groups are objects: the options of one stand together in the table. */
void config_write_json(FILE *to, const struct config *cfg)
{
    const char *comma = "", *group = "";
    int length = 0; /* of the group's name; 0: none */
    fputc('{', to);
    for (const struct config_option *o = config_options; o->name; o++) {
        const char *dot = strchr(o->name, '.');
        const int n = dot ? (int)(dot - o->name) : 0;
        const bool same = n == length && strncmp(group, o->name, (size_t)n) == 0;
        if (!same && length) {
            fputs("\n  }", to);
            comma = ",";
        }
        if (!same && n) {
            fprintf(to, "%s\n  \"%.*s\": {", comma, n, o->name);
            comma = "";
        }
        group = o->name;
        length = n;
        fprintf(to, "%s\n%s\"%s\": ", comma, n ? "    " : "  ",
                dot ? dot + 1 : o->name);
        write_value(to, o, cfg);
        comma = ",";
        if (strcmp(o->name, "model.name") == 0)
            config_model_write_json(to, cfg);
    }
    fputs(length ? "\n  }\n}\n" : "\n}\n", to);
}
