// Mapped files and the writer that replaces them: contents, locks, and kills at any moment.
#include "runtime/base/file.h"
#include "runtime/base/file_writer.h"
#include "tests/lib/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { VERSION_BYTES = 300000, KILLS = 60 };

static tl_diag diag;
static bool named; // whether writers start with a name, as where there are no unnamed files

static void put_file(const char *path, const char *text) {
  FILE *out = fopen(path, "w");
  CHECK(out && fputs(text, out) >= 0 && fclose(out) == 0);
}

// Files in the current folder.
static int count_files(void) {
  int count = 0;
  DIR *folder = opendir(".");
  CHECK(folder);
  for (struct dirent *entry; (entry = readdir(folder));)
    count += entry->d_name[0] != '.';
  closedir(folder);
  return count;
}

static tl_status replace(const char *path, char fill, size_t bytes) {
  char *data = malloc(bytes);
  CHECK(data);
  memset(data, fill, bytes);
  tl_file_writer writer;
  diag.count = 0;
  tl_status status = named ? tl_file_writer_open_named(path, &writer, &diag)
                           : tl_file_writer_open(path, &writer, &diag);
  // The second half first: order does not matter.
  size_t half = bytes / 2;
  if (tl_ok(status)) status = tl_file_writer_write(&writer, half, data + half, bytes - half, &diag);
  if (tl_ok(status)) status = tl_file_writer_write(&writer, 0, data, half, &diag);
  if (tl_ok(status)) status = tl_file_writer_commit(&writer, &diag);
  tl_file_writer_close(&writer);
  tl_file_writer_close(&writer);
  free(data);
  return status;
}

static bool is_filled(const char *path, char fill, size_t bytes) {
  tl_file file;
  CHECK(tl_ok(tl_file_open(path, &file, NULL)));
  bool same = file.bytes.length == bytes;
  for (size_t i = 0; same && i < bytes; i++)
    same = file.bytes.data[i] == fill;
  tl_file_drop(&file, 0, SIZE_MAX);
  tl_file_close(&file);
  return same;
}

static void test_open(void) {
  tl_file file;
  put_file("empty", "");
  put_file("abc", "abc");
  CHECK(tl_ok(tl_file_open("empty", &file, NULL)) && file.bytes.data && !file.bytes.length);
  tl_file_drop(&file, 0, 10);
  tl_file_close(&file);
  CHECK(tl_ok(tl_file_open("abc", &file, NULL)) && tl_str_is(file.bytes, "abc"));
  CHECK(tl_ok(tl_file_lock_shared(&file, "abc", NULL)));
  tl_file_drop(&file, 1, SIZE_MAX);
  CHECK(tl_str_is(file.bytes, "abc"));
  tl_file_close(&file);
  tl_file_close(&file);
  CHECK(tl_file_open("missing", &file, &diag) == TL_IO && file.fd == -1);
  CHECK(strstr(diag.entries[0].text, "cannot open missing"));
  CHECK(tl_file_open(".", &file, &diag) == TL_IO && strstr(diag.entries[1].text, "a folder"));
  CHECK(mkfifo("pipe", 0600) == 0);
  CHECK(tl_file_open("pipe", &file, &diag) == TL_IO && strstr(diag.entries[2].text, "pipe"));
  CHECK(tl_file_exists("abc") && !tl_file_exists(".") && tl_file_is_folder("."));
  CHECK(unlink("pipe") == 0 && unlink("abc") == 0 && unlink("empty") == 0);
}

static void test_replace(void) {
  CHECK(tl_ok(replace("plan", 'a', 100)) && is_filled("plan", 'a', 100));
  CHECK(tl_ok(replace("plan", 'b', VERSION_BYTES)) && is_filled("plan", 'b', VERSION_BYTES));
  CHECK(tl_ok(replace("plan", 'c', 0)) && is_filled("plan", 'c', 0) && count_files() == 1);
  CHECK(tl_ok(replace("./plan", 'd', 1)) && is_filled("plan", 'd', 1));
  CHECK(symlink("plan", "link") == 0 && tl_ok(replace("link", 'e', 7)));
  struct stat info;
  CHECK(lstat("link", &info) == 0 && S_ISLNK(info.st_mode) && is_filled("plan", 'e', 7));
  CHECK(unlink("link") == 0);
  // Abandoned: nothing happened.
  tl_file_writer writer;
  CHECK(tl_ok(tl_file_writer_open("plan", &writer, NULL)));
  CHECK(tl_ok(tl_file_writer_write(&writer, 0, "x", 1, NULL)));
  tl_file_writer_close(&writer);
  CHECK(is_filled("plan", 'e', 7) && count_files() == 1);
  // A gap reads as zeros.
  CHECK(tl_ok(tl_file_writer_open("plan", &writer, NULL)));
  CHECK(tl_ok(tl_file_writer_write(&writer, 4096, "", 1, NULL)));
  CHECK(tl_ok(tl_file_writer_commit(&writer, NULL)));
  tl_file_writer_close(&writer);
  CHECK(is_filled("plan", 0, 4097) && count_files() == 1 && unlink("plan") == 0);
}

static void test_refusals(void) {
  CHECK(replace(".", 'a', 1) == TL_IO && strstr(diag.entries[0].text, "a folder"));
  CHECK(replace("/dev/null", 'a', 1) == TL_IO && strstr(diag.entries[0].text, "device"));
  CHECK(replace("nowhere/plan", 'a', 1) == TL_IO);
  CHECK(replace("", 'a', 1) == TL_IO);
  char name[300];
  memset(name, 'n', sizeof name);
  name[260] = 0;
  CHECK(replace(name, 'a', 1) == TL_IO);
  name[251] = 0;
  CHECK(tl_ok(replace(name, 'a', 1)) && unlink(name) == 0);
}

// A temporary without a lock is removed; one with a lock belongs to a live writer.
static void test_remains(void) {
  put_file("plan.tmp", "remains");
  CHECK(tl_ok(replace("plan", 'a', 10)) && count_files() == 1 && is_filled("plan", 'a', 10));
  put_file("plan.tmp", "live");
  int fd = open("plan.tmp", O_RDONLY);
  CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
  CHECK(replace("plan", 'b', 10) == TL_IO && strstr(diag.entries[0].text, "another process"));
  close(fd);
  CHECK(tl_ok(replace("plan", 'c', 10)) && count_files() == 1 && unlink("plan") == 0);
}

// A child replaces the file again and again until it is killed.
static void test_kills(void) {
  CHECK(tl_ok(replace("plan", 'a', VERSION_BYTES)));
  for (int round = 0; round < KILLS; round++) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
      for (int i = 0;; i++)
        if (!tl_ok(replace("plan", (char)('a' + i % 26), VERSION_BYTES))) _exit(1);
    nanosleep(&(struct timespec){0, (round * 7919 % 6000) * 1000L + 500000}, NULL);
    int how;
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &how, 0) == child && WIFSIGNALED(how));
    tl_file file;
    CHECK(tl_ok(tl_file_open("plan", &file, NULL)) && file.bytes.length == VERSION_BYTES);
    char fill = file.bytes.data[0];
    tl_file_close(&file);
    CHECK(is_filled("plan", fill, VERSION_BYTES));
  }
  CHECK(tl_ok(replace("plan", 'z', 5)) && count_files() == 1 && is_filled("plan", 'z', 5));
}

// Writers of the same file at once: each succeeds or says that another one is at it.
static void test_rivals(void) {
  enum { RIVALS = 4 };
  for (int i = 0; i < RIVALS; i++) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child) continue;
    for (int round = 0; round < 20; round++) {
      tl_status status = replace("plan", (char)('a' + i), VERSION_BYTES);
      if (!tl_ok(status) && !strstr(diag.entries[0].text, "another process")) _exit(1);
    }
    _exit(0);
  }
  for (int i = 0; i < RIVALS; i++) {
    int how;
    CHECK(wait(&how) > 0 && WIFEXITED(how) && WEXITSTATUS(how) == 0);
  }
  tl_file file;
  CHECK(tl_ok(tl_file_open("plan", &file, NULL)) && file.bytes.length == VERSION_BYTES);
  CHECK(is_filled("plan", file.bytes.data[0], VERSION_BYTES) && count_files() == 1);
  tl_file_close(&file);
  CHECK(unlink("plan") == 0);
}

int main(void) {
  char folder[] = "/tmp/tlmc_file_test_??????";
  memset(strchr(folder, '?'), 'X', 6);
  CHECK(mkdtemp(folder) && chdir(folder) == 0);
  test_open();
  for (int mode = 0; mode < 2; mode++) {
    named = mode;
    test_replace();
    test_refusals();
    test_remains();
    test_kills();
    test_rivals();
  }
  CHECK(count_files() == 0 && chdir("/") == 0 && rmdir(folder) == 0);
  return 0;
}
