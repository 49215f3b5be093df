// What a process needs before anything else runs in it, and where nothing but system calls is allowed.
#pragma once

// Makes a fault that is not the program's a sentence on standard error and exit status 1: a mapped file that was cut,
// and memory that Swift's own runtime could not get.
void process_catch_faults(void);
