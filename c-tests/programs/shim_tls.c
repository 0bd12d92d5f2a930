/* Thread-local storage as a library must not have it: large, and reached through __tls_get_addr. */
extern __thread char shim_tls[100];
__thread char shim_tls[100];

char shim_tls_first(void);
char shim_tls_first(void) { return shim_tls[0]; }
