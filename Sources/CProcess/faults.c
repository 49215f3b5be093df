#define _GNU_SOURCE
#include "process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// All of this runs in signal handlers: system calls and memory of its own, nothing else.

static void say(const char *text) {
  size_t length = strlen(text);
  while (length > 0) {
    ssize_t count = write(2, text, length);
    if (count <= 0) return;
    text += count;
    length -= (size_t)count;
  }
}

static uintptr_t hexadecimal(const char **text) {
  uintptr_t value = 0;
  for (;; (*text)++) {
    char c = **text;
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return value;
    value = value << 4 | (uintptr_t)digit;
  }
}

// One thread says why the program ends; others that fail too wait for that.
static void say_alone(void) {
  static bool taken;
  if (__atomic_exchange_n(&taken, true, __ATOMIC_SEQ_CST))
    for (;;) pause();
}

// The path in a line `from-to rights offset device inode  /path` of /proc/self/maps, if the address lies in it.
static const char *path_in(const char *line, uintptr_t address) {
  uintptr_t from = hexadecimal(&line);
  if (*line++ != '-') return NULL;
  uintptr_t to = hexadecimal(&line);
  const char *path = strchr(line, '/');
  return path && from <= address && address < to ? path : NULL;
}

// Looks for the mapped file that an address lies in.
static bool find_file(uintptr_t address, char *path, size_t size) {
  int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return false;
  char line[8192];
  size_t length = 0;
  bool found = false;
  char buffer[4096];
  ssize_t count;
  while (!found && (count = read(maps, buffer, sizeof buffer)) > 0)
    for (ssize_t i = 0; i < count && !found; i++) {
      char c = buffer[i];
      if (c != '\n') {
        if (length < sizeof line - 1) line[length++] = c;
        continue;
      }
      line[length] = 0;
      length = 0;
      const char *name = path_in(line, address);
      if (!name) continue;
      strncpy(path, name, size - 1);
      path[size - 1] = 0;
      found = true;
    }
  close(maps);
  return found;
}

static struct sigaction before[NSIG];

// Leaves a fault of the program's own to who would have had it without us, a writer of backtraces for one.
static void pass_on(int number) {
  sigaction(number, &before[number], NULL);
  // The others come again, because the instruction that failed is tried again.
  if (number == SIGABRT || number == SIGTRAP) raise(number);
}

static void file_was_cut(int number, siginfo_t *info, void *context) {
  (void)context;
  char path[4096];
  if (!find_file((uintptr_t)info->si_addr, path, sizeof path)) return pass_on(number);
  say_alone();
  say("Error: '");
  say(path);
  say("' was cut or its disk failed while it was read; let nothing write to it, and run the same command again\n");
  _exit(1);
}

// The runtime traps where it gets no memory, and where the program is wrong; only then is there memory left.
static void trapped(int number, siginfo_t *info, void *context) {
  (void)info, (void)context;
  enum { probe = 64 << 20 };
  void *memory = mmap(NULL, probe, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) return pass_on(number);
  say_alone();
  say("Error: out of memory under the limit that is set for this process ('ulimit -v' shows it): less than 64 MiB are "
      "left; raise it, or need less: a smaller --size or --batch, fewer --threads, a model with float16 weights "
      "('sdlens info' says what a model takes)\n");
  _exit(1);
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, &before[number]);
}

void process_catch_faults(void) {
  handle(SIGBUS, file_was_cut);
  handle(SIGILL, trapped);
  handle(SIGTRAP, trapped);
  handle(SIGABRT, trapped);
}
