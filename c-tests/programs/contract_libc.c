/* Buffers that libc allocates and the program frees, at sizes that the arena takes; and glibc's own malloc controls,
 * which stay the next allocator's. Output equals plain libc's. */
#include "check.h"
#include <dirent.h>
#include <limits.h>
#include <malloc.h>
#include <wchar.h>

static void line_buffers(void) {
    FILE *file = tmpfile();
    CHECK(file != NULL);
    for (int line = 0; line < 4; line++) {
        for (int i = 0; i < 5000 << (4 * line); i++) {
            fputc('a' + (i + line) % 26, file);
        }
        fputc('\n', file);
    }
    rewind(file);
    char *buffer = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&buffer, &capacity, file)) > 0) {
        CHECK(capacity > (size_t)length && malloc_usable_size(buffer) >= capacity);
        printf("getline: %zd bytes, ends with %.3s", length, buffer + length - 3);
    }
    free(buffer);
    rewind(file);
    /* A buffer of ours, which libc grows. */
    buffer = (char *)malloc(capacity = 4096);
    length = getdelim(&buffer, &capacity, 'z', file);
    printf("getdelim: %zd bytes\n", length);
    free(buffer);
    fclose(file);
}

static void formatted(void) {
    static const int WIDTHS[] = {10, 4095, 4096, 100000, 3000000};
    for (size_t i = 0; i < sizeof WIDTHS / sizeof WIDTHS[0]; i++) {
        char *text = NULL;
        int length = asprintf(&text, "%*d|", WIDTHS[i], 7);
        CHECK(length == WIDTHS[i] + 1 && strcmp(text + length - 2, "7|") == 0);
        char *copy = strdup(text);
        char *part = strndup(text, (size_t)length / 2);
        CHECK(copy && part && strcmp(copy, text) == 0 && strlen(part) == (size_t)length / 2);
        free(text);
        free(copy);
        free(part);
        printf("asprintf, strdup, strndup: %d bytes\n", length);
    }
    wchar_t wide[3000];
    wmemset(wide, L'w', 2999);
    wide[2999] = L'\0';
    wchar_t *copy = wcsdup(wide);
    CHECK(copy && wcscmp(copy, wide) == 0);
    free(copy);
}

static void memory_stream(void) {
    char *buffer = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&buffer, &size);
    CHECK(stream != NULL);
    for (int i = 0; i < 400000; i++) {
        fprintf(stream, "%07d\n", i);
    }
    CHECK(fclose(stream) == 0 && size == 3200000);
    CHECK(strncmp(buffer + 8 * 399999, "0399999\n", 8) == 0);
    buffer = (char *)realloc(buffer, size * 2);
    CHECK(buffer && strncmp(buffer + 8 * 1234, "0001234\n", 8) == 0);
    free(buffer);
    printf("open_memstream: %zu bytes\n", size);
}

static void paths(void) {
    char *path = realpath("/proc/../proc/./self/..", NULL);
    CHECK(path != NULL);
    printf("realpath: %s\n", path);
    free(path);
    char *dir = getcwd(NULL, 3 * PATH_MAX);
    CHECK(dir && dir[0] == '/');
    free(dir);
    struct dirent **entries = NULL;
    int count = scandir("/proc/self", &entries, NULL, alphasort);
    CHECK(count > 2 && strcmp(entries[0]->d_name, ".") == 0);
    for (int i = 0; i < count; i++) {
        free(entries[i]);
    }
    free(entries);
    printf("scandir: works\n");
}

/* These mean the next allocator. That they work and describe something is all that can be the same for everyone. */
static void controls(void) {
    void *small = malloc(1000), *large = malloc(3 * MIB);
    struct mallinfo2 info = mallinfo2();
    CHECK(info.arena + info.hblkhd > 0);
    printf("mallopt: %d\n", mallopt(M_TOP_PAD, 256 * 1024));
    (void)malloc_trim(0);
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    printf("malloc_info: %d\n", malloc_info(0, stream));
    fclose(stream);
    CHECK(strncmp(text, "<malloc", 7) == 0);
    free(text);
    free(small);
    free(large);
}

int main(void) {
    check_preload();
    engage_arena();
    line_buffers();
    formatted();
    memory_stream();
    paths();
    controls();
    check_arena_use();
    return 0;
}
