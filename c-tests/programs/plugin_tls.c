/* To open with dlopen: storage for each thread, which libc allocates and frees. */
enum { BYTES = 8192 };

static __thread volatile char storage[BYTES];

void touch(void);
void touch(void) { storage[1] = 1; }
