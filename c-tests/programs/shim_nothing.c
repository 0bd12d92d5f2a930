// A library that does nothing: what stands in its place when the library under test is not at work.
int zkalloc_is_not_here = 1;
