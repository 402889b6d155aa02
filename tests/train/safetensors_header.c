/* safetensors_header.c -- which headers are taken and which are refused: the grammar,
 * the offsets, the texts. */
#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "safetensors.h"

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"

struct header {
    const char *json;
    int data; /* bytes behind it */
    bool good;
};

/* clang-format off */
static const struct header headers[] = {
    { "{}", 0, true },
    { " { } \n\t ", 0, true },
    { "{" A "}", 8, true },
    { "{" A "}   ", 8, true },
    { "{\"a\":{\"shape\":[],\"data_offsets\":[0,4],\"dtype\":\"I32\"}}", 4, true },
    { "{\"a\":{\"dtype\":\"BF16\",\"shape\":[2,0,3],\"data_offsets\":[0,0]}}", 0, true },
    { "{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]}," A "}", 11, true },
    { "{\"__metadata__\":{}," A "}", 8, true },
    { "{\"__metadata__\":{\"k\":\"v\",\"l\":\"\"}}", 0, true },
    { "", 0, false },
    { "[]", 0, false },
    { "{", 0, false },
    { "{}x", 0, false },
    { "{" A ",}", 8, false },
    { "{" A "," A "}", 8, false },                     /* twice: offsets overlap */
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
      "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, false },
    { "{" A "}", 7, false },                           /* data ends early */
    { "{" A "}", 9, false },                           /* data nobody describes */
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]}}", 9, false },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, false },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, false },
    { "{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, false },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, false },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", 8, false },
    { "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, false },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, false },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, false },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[02],\"data_offsets\":[0,8]}}", 8, false },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, false },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}", 8, false },
    /* products and numbers beyond 64 bits */
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387906],\"data_offsets\":[0,8]}}", 8, false },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, false },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[18446744073709551618],\"data_offsets\":[0,8]}}", 8, false },
    { "{\"__metadata__\":{\"k\":1}}", 0, false },
    { "{\"__metadata__\":{\"k\":\"v\",\"k\":\"v\"}}", 0, false },
    { "{\"__metadata__\":{\"k\":\"v\"},\"__metadata__\":{}}", 0, false },
    { "{\"__metadata__\":{\"k\":\"\\ud83d\"}}", 0, false }, /* half a pair */
    { "{\"__metadata__\":{\"k\":\"\\u12g4\"}}", 0, false },
    { "{\"__metadata__\":{\"k\":\"\\u0000\"}}", 0, false },
    { "{\"__metadata__\":{\"k\":\"\\x\"}}", 0, false },
    { "{\"__metadata__\":{\"k\":\"\\", 0, false },
    { "{\"__metadata__\":{\"k\":\"\n\"}}", 0, false },
};
/* clang-format on */

/* Exactly as large as it is, so that a byte read beyond is seen. */
static int parse(struct safetensors *st, const char *json, size_t data,
                 struct sluice_error *err)
{
    const size_t length = strlen(json), size = 8 + length + data;
    unsigned char *bytes = calloc(1, size);
    REQUIRE(bytes, "no memory");
    bytes[0] = (unsigned char)length;
    bytes[1] = (unsigned char)(length >> 8);
    memcpy(bytes + 8, json, length);
    const int rc = safetensors_parse(st, "made.safetensors", bytes, size, err);
    free(bytes);
    return rc;
}

static void grammar(void)
{
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct safetensors st;
        struct sluice_error err = { 0 };
        const int rc = parse(&st, headers[i].json, (size_t)headers[i].data, &err);
        CHECK((rc == 0) == headers[i].good, "%s with %d bytes: %s", headers[i].json,
              headers[i].data, rc == 0 ? "taken" : err.message);
        CHECK(rc == 0 || (rc == SLUICE_ECORRUPT && strstr(err.message, "made.safet")),
              "%d: %s", rc, err.message);
        CHECK(rc == 0 || (!st.entry && !st.text), "a failure leaves something");
        safetensors_free(&st);
    }
}

static void values(void)
{
    struct safetensors st;
    struct sluice_error err;
    const int rc =
        parse(&st,
              "{\"__metadata__\":{\"k\":\"\\\"\\\\\\/\\n\\u00e9\\ud83d\\ude00\"},"
              "\"z\\u0041\":{\"dtype\":\"F64\",\"shape\":[1,2],"
              "\"data_offsets\":[8,24]}," A "}",
              24, &err);
    REQUIRE(rc == 0, "%s", err.message);
    const struct safetensors_text *text = safetensors_text(&st, "k");
    CHECK(text && strcmp(text->value, "\"\\/\n\xc3\xa9\xf0\x9f\x98\x80") == 0, "'%s'",
          text ? text->value : "nothing");
    const struct safetensors_entry *e = safetensors_find(&st, "zA");
    CHECK(e && e->rank == 2 && e->shape[1] == 2 && e->begin == 8 && e->end == 24 &&
              strcmp(e->dtype, "F64") == 0,
          "zA");
    CHECK(safetensors_find(&st, "a") && !safetensors_find(&st, "b"), "found by name");
    safetensors_free(&st);
}

int main(void)
{
    struct safetensors st;
    struct sluice_error err;
    grammar();
    values();
    CHECK(safetensors_parse(&st, "x", "1234567", 7, &err) == SLUICE_ECORRUPT,
          "7 bytes");
    CHECK(safetensors_parse(&st, "x", "\377\377\377\377\377\377\377\377{}", 10, &err) ==
              SLUICE_ECORRUPT,
          "an endless header");
    return check_done();
}
