/* An auditor (LD_AUDIT), in its own namespace with its own libc: it is told of every object and every symbol, and
 * allocates each time. */
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void allocate(void) {
    void *volatile blocks[] = {malloc(100), malloc(6000), malloc(2 << 20)};
    for (int i = 0; i < 3; i++) {
        if (!blocks[i]) {
            _exit(97);
        }
        memset(blocks[i], 'a', 100);
        free(blocks[i]);
    }
}

unsigned int la_version(unsigned int version) {
    allocate();
    return version;
}

unsigned int la_objopen(struct link_map *map, Lmid_t id, uintptr_t *cookie) {
    (void)map, (void)id, (void)cookie;
    allocate();
    return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}

uintptr_t la_symbind64(Elf64_Sym *symbol, unsigned int index, uintptr_t *from, uintptr_t *to, unsigned int *flags,
                       const char *name) {
    (void)index, (void)from, (void)to, (void)flags, (void)name;
    allocate();
    return symbol->st_value;
}

void la_preinit(uintptr_t *cookie) {
    (void)cookie;
    allocate();
}
