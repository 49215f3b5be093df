// Runs before the libraries that the program is linked to, so before OpenBLAS starts its threads.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// Descriptors 0 to 2 that are closed would be given to files, and what is said would end in them. As with closed ones,
// reading and writing fail.
static void fill_descriptors(void) {
  for (int descriptor = 0; descriptor <= 2; descriptor++)
    if (fcntl(descriptor, F_GETFD) < 0) open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY);
}

static bool is_limited(int resource) {
  struct rlimit limit;
  return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

// A whole number in decimal digits.
static unsigned long number_in(const char *text) {
  unsigned long number = 0;
  for (; *text >= '0' && *text <= '9'; text++) number = number * 10 + (unsigned long)(*text - '0');
  return number;
}

// With hardly any addresses left the libraries' beginnings fault, and threads without a stack are tried for ever.
static void require_addresses(void) {
  enum { least = 32 << 20 };
  static const char text[] =
      "Error: out of memory under the limit that is set for this process ('ulimit -v' shows it): the program itself "
      "leaves less than 32 MiB of it; raise the limit\n";
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  char pages[32] = "";
  int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0 || read(file, pages, sizeof pages - 1) <= 0) return;
  close(file);
  if (number_in(pages) * (unsigned long)sysconf(_SC_PAGESIZE) + least <= limit.rlim_cur) return;
  if (write(2, text, sizeof text - 1) < 0) _exit(1);
  _exit(1);
}

// Each thread of OpenBLAS takes 128 MiB of addresses when the library is loaded, and tries for ever where there are none;
// the program needs none of these threads. Their number is read from the environment alone, so under a limit the program
// begins anew with it.
static void spare_addresses(char **arguments, char **environment) {
  static char setting[] = "OPENBLAS_NUM_THREADS=1";
  enum { name_length = sizeof "OPENBLAS_NUM_THREADS=" - 1 };
  if (!is_limited(RLIMIT_AS) && !is_limited(RLIMIT_DATA)) return;
  size_t count = 0;
  for (; environment[count]; count++)
    if (strcmp(environment[count], setting) == 0) return;
  char *changed[count + 2];
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (strncmp(environment[i], setting, name_length) != 0) changed[kept++] = environment[i];
  changed[kept++] = setting;
  changed[kept] = NULL;
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length < 0) return;
  path[length] = 0;
  execve(path, arguments, changed);  // Where that fails, it goes on as it is.
}

static void prepare(int count, char **arguments, char **environment) {
  (void)count;
  fill_descriptors();
  require_addresses();
  spare_addresses(arguments, environment);
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **, char **) = prepare;
