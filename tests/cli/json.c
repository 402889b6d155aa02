/* json.c -- what is JSON and what is not, by RFC 8259. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "json.h"

static const char *const valid[] = {
    "true",
    "false",
    "null",
    "0",
    "-0",
    "10",
    "-1.5",
    "0.25e3",
    "1E-2",
    "2e+07",
    "\"\"",
    "\"a\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\"",
    "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf \xed\x9f\xbf\"",
    "[]",
    "{}",
    " [ ] ",
    "[1,2]",
    "[ true , null,\"x\",[[]] ]",
    "{\"a\":1}",
    "\t{ \"a\" : [ ] ,\r\n\"a\":{\"\":false} } ",
};

static const char *const invalid[] = {
    "",
    " ",
    "tru",
    "True",
    "nul",
    "truefalse",
    "true false",
    "NaN",
    "Infinity",
    "+1",
    "-",
    "01",
    "-01",
    "1.",
    ".5",
    "1e",
    "1e+",
    "1.e3",
    "0x10",
    "1,",
    "\"",
    "\"a",
    "'a'",
    "\"\\\"",
    "\"\\x41\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"a\nb\"",
    "\"\x1f\"",
    "\"\x80\"",             /* no letter begins so */
    "\"\xc3\"",             /* one byte of two */
    "\"\xc0\xaf\"",         /* longer than it need be */
    "\"\xe0\x9f\xbf\"",     /* likewise */
    "\"\xed\xa0\x80\"",     /* a surrogate */
    "\"\xf4\x90\x80\x80\"", /* beyond U+10FFFF */
    "\"\xf8\x88\x80\x80\x80\"",
    "[",
    "]",
    "[1",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "{",
    "{]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\" 1}",
    "{a:1}",
    "{1:1}",
    "{\"a\":1,}",
    "{\"a\":1 \"b\":2}",
    "[] []",
    "{}x",
};

/* One in another, `count` deep. */
static bool nested(int count)
{
    char *text = malloc(2 * (size_t)count + 1);
    REQUIRE(text, "no memory");
    memset(text, '[', (size_t)count);
    memset(text + count, ']', (size_t)count);
    text[2 * count] = 0;
    const bool is = json_valid(text);
    free(text);
    return is;
}

int main(void)
{
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
        CHECK(json_valid(valid[i]), "refused: %s", valid[i]);
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        CHECK(!json_valid(invalid[i]), "taken: %s", invalid[i]);
    CHECK(nested(512) && !nested(513), "arrays 512 deep, and no deeper");
    return check_done();
}
