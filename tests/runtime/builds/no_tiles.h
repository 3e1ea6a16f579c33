// A system that gives no process the tiles of the CPU.
#include <sys/syscall.h>
#include <unistd.h>

#define syscall(...) (-1)
