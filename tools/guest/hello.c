// The smallest ordinary program: one line on stdout. With arguments it prints each on a line of its own.
#include <stdio.h>

int main(int argc, char** argv) {
  if (argc == 1) puts("hello from a program of its own machine");
  for (int i = 1; i < argc; i++) puts(argv[i]);
  return 0;
}
