#include "vitrim/core/atomic_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "core/expect_message.h"
#include "core/temp_dir.h"
#include "vitrim/core/error.h"

namespace vitrim {
namespace {

namespace fs = std::filesystem;

// Caps the size of files this process may write, without being killed for trying.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    before_handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) throw std::runtime_error("setrlimit");
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, before_handler_);
  }

 private:
  rlimit before_{};
  void (*before_handler_)(int) = nullptr;
};

TEST(AtomicFile, WritesAndReadsBackAnyBytes) {
  const TempDir dir;
  const std::string bytes("a\0b\r\n\xff", 6);
  write_text_file(dir.file("x"), bytes);
  EXPECT_EQ(read_text_file(dir.file("x")), bytes);
  EXPECT_EQ(dir.entries(), 1);
}

TEST(AtomicFile, OldContentStaysUntilCommit) {
  const TempDir dir;
  write_text_file(dir.file("x"), "old");
  AtomicFile file(dir.file("x"));
  file.write("new");
  EXPECT_EQ(read_text_file(dir.file("x")), "old");
  file.commit();
  EXPECT_EQ(read_text_file(dir.file("x")), "new");
  EXPECT_THROW(file.write("more"), std::logic_error);
  EXPECT_THROW(file.commit(), std::logic_error);
}

TEST(AtomicFile, WithoutCommitNothingChanges) {
  const TempDir dir;
  write_text_file(dir.file("x"), "old");
  {
    AtomicFile file(dir.file("x"));
    file.write("half");
    EXPECT_EQ(dir.entries(), 2);
  }
  EXPECT_EQ(read_text_file(dir.file("x")), "old");
  EXPECT_EQ(dir.entries(), 1);
}

TEST(AtomicFile, TwoWritersOfOneNameDoNotMeet) {
  const TempDir dir;
  AtomicFile first(dir.file("x"));
  AtomicFile second(dir.file("x"));
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();
  EXPECT_EQ(read_text_file(dir.file("x")), "first");
  EXPECT_EQ(dir.entries(), 1);
}

TEST(AtomicFile, LeftoverOfAKilledProcessIsNoObstacle) {
  const TempDir dir;
  // The names that this process would use next.
  for (int i = 0; i < 200; ++i) {
    const std::string name =
        dir.file("x") + "." + std::to_string(::getpid()) + "." + std::to_string(i) + ".tmp";
    ::close(::open(name.c_str(), O_WRONLY | O_CREAT, 0600));
  }
  write_text_file(dir.file("x"), "text");
  EXPECT_EQ(read_text_file(dir.file("x")), "text");
  EXPECT_EQ(dir.entries(), 201);
}

TEST(AtomicFile, ShortWriteIsAnErrorAndLeavesTheOldFile) {
  const TempDir dir;
  write_text_file(dir.file("x"), "old");
  std::string message;
  {
    const FileSizeLimit limit(1000);
    // The system takes the first 1000 bytes of this without an error.
    message = message_of<Error>([&] { write_text_file(dir.file("x"), std::string(5000, 'a')); });
  }
  EXPECT_TRUE(contains(message, dir.file("x")));
  EXPECT_TRUE(contains(message, "ulimit"));
  EXPECT_EQ(read_text_file(dir.file("x")), "old");
  EXPECT_EQ(dir.entries(), 1);
}

TEST(AtomicFile, NoCommitAfterAFailedWrite) {
  const TempDir dir;
  AtomicFile file(dir.file("x"));
  {
    const FileSizeLimit limit(10);
    EXPECT_THROW(file.write(std::string(100, 'a')), Error);
  }
  EXPECT_THROW(file.commit(), std::logic_error);
  EXPECT_FALSE(fs::exists(dir.file("x")));
}

TEST(AtomicFile, FullDeviceNamesTheMend) {
  if (!fs::exists("/dev/full")) GTEST_SKIP();
  const std::string message = message_of<Error>([] { write_text_file("/dev/full", "text"); });
  EXPECT_TRUE(contains(message, "/dev/full: no space left on the device: free some and run again"));
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST(AtomicFile, DevicesAreWrittenNotReplaced) {
  write_text_file("/dev/null", "text");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  check_writable("/dev/null");
}

TEST(AtomicFile, PipesAreWritten) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  write_text_file("/dev/fd/" + std::to_string(ends[1]), "through");
  ::close(ends[1]);
  char buffer[16];
  const ssize_t got = ::read(ends[0], buffer, sizeof buffer);
  ::close(ends[0]);
  EXPECT_EQ(std::string(buffer, got > 0 ? got : 0), "through");
}

TEST(AtomicFile, AnOpenDescriptorGoesOnWhereItStands) {
  const TempDir dir;
  const int descriptor = ::open(dir.file("log").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::write(descriptor, "before ", 7), 7);
  write_text_file("/dev/fd/" + std::to_string(descriptor), "inside ");
  ASSERT_EQ(::write(descriptor, "after", 5), 5);
  ::close(descriptor);
  EXPECT_EQ(read_text_file(dir.file("log")), "before inside after");
  EXPECT_EQ(dir.entries(), 1);
}

TEST(AtomicFile, LinksStayLinks) {
  const TempDir dir, elsewhere;
  write_text_file(elsewhere.file("real"), "old");
  fs::create_symlink(elsewhere.file("real"), dir.file("link"));
  fs::create_symlink("link", dir.file("link to link"));
  write_text_file(dir.file("link to link"), "new");
  EXPECT_TRUE(fs::is_symlink(dir.file("link")));
  EXPECT_TRUE(fs::is_symlink(dir.file("link to link")));
  EXPECT_EQ(read_text_file(elsewhere.file("real")), "new");
  EXPECT_EQ(dir.entries(), 2);
  EXPECT_EQ(elsewhere.entries(), 1);
}

TEST(AtomicFile, DanglingLinkMakesItsTarget) {
  const TempDir dir;
  fs::create_symlink("target", dir.file("link"));
  write_text_file(dir.file("link"), "new");
  EXPECT_TRUE(fs::is_symlink(dir.file("link")));
  EXPECT_EQ(read_text_file(dir.file("target")), "new");
}

TEST(AtomicFile, LinkInACircleIsAnError) {
  const TempDir dir;
  fs::create_symlink("b", dir.file("a"));
  fs::create_symlink("a", dir.file("b"));
  EXPECT_TRUE(contains(message_of<Error>([&] { write_text_file(dir.file("a"), "text"); }), dir.file("a")));
}

TEST(AtomicFile, PermissionsAreKept) {
  const TempDir dir;
  write_text_file(dir.file("x"), "old");
  ASSERT_EQ(::chmod(dir.file("x").c_str(), 0640), 0);
  write_text_file(dir.file("x"), "new");
  struct stat status{};
  ASSERT_EQ(::stat(dir.file("x").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640);
}

// The message of check_writable for a user who is not root; "" if it accepts. Root may write anywhere, so a
// separate process becomes the user nobody for this.
std::string complaint_as_nobody(const std::string& path) {
  int ends[2];
  if (::pipe(ends) != 0) return "pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    std::string complaint;
    if (::geteuid() == 0 && ::seteuid(65534) != 0) complaint = "seteuid";
    try {
      if (complaint.empty()) check_writable(path);
    } catch (const Error& error) {
      complaint = error.what();
    }
    ::_exit(::write(ends[1], complaint.data(), complaint.size()) == ssize_t(complaint.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  int status = 0;
  ::waitpid(child, &status, 0);
  char buffer[1000];
  const ssize_t got = ::read(ends[0], buffer, sizeof buffer);
  ::close(ends[0]);
  return std::string(buffer, got > 0 ? got : 0);
}

TEST(AtomicFile, WriteProtectedFolderAndFile) {
  const TempDir dir;
  const std::string folder = dir.file("");
  write_text_file(dir.file("open"), "old");
  write_text_file(dir.file("protected"), "old");
  ASSERT_EQ(::chmod(dir.file("open").c_str(), 0666), 0);
  ASSERT_EQ(::chmod(dir.file("protected").c_str(), 0444), 0);
  ASSERT_EQ(::chmod(folder.c_str(), 0777), 0);
  EXPECT_EQ(complaint_as_nobody(dir.file("open")), "");
  EXPECT_EQ(complaint_as_nobody(dir.file("new")), "");
  EXPECT_TRUE(
      contains(complaint_as_nobody(dir.file("protected")), dir.file("protected") + ": permission denied"));
  ASSERT_EQ(::chmod(folder.c_str(), 0555), 0);
  EXPECT_TRUE(contains(complaint_as_nobody(dir.file("new")), dir.file("new") + ": permission denied"));
  ASSERT_EQ(::chmod(folder.c_str(), 0777), 0);
}

TEST(AtomicFile, PlacesThatCannotBe) {
  const TempDir dir;
  write_text_file(dir.file("x"), "old");
  const std::string missing = message_of<Error>([&] { check_writable(dir.file("no/such/file")); });
  EXPECT_TRUE(contains(missing, dir.file("no/such/file") + ": no such folder: create it first"));
  EXPECT_TRUE(contains(message_of<Error>([&] { check_writable(dir.file("")); }), "it is a folder"));
  EXPECT_TRUE(
      contains(message_of<Error>([&] { check_writable(dir.file("x/y")); }), "is a file, not a folder"));
  EXPECT_THROW(check_writable(""), std::invalid_argument);
}

TEST(AtomicFile, CheckWritableLeavesNothing) {
  const TempDir dir;
  write_text_file(dir.file("x"), "old");
  check_writable(dir.file("x"));
  check_writable(dir.file("y"));
  EXPECT_EQ(read_text_file(dir.file("x")), "old");
  EXPECT_EQ(dir.entries(), 1);
}

TEST(ReadTextFile, Failures) {
  const TempDir dir;
  EXPECT_TRUE(contains(message_of<Error>([&] { read_text_file(dir.file("none")); }),
                       dir.file("none") + ": no such file"));
  EXPECT_TRUE(contains(message_of<Error>([&] { read_text_file(dir.file("")); }), "it is a folder"));
}

TEST(ReadTextFile, LargerThanItsBuffer) {
  const TempDir dir;
  std::string text;
  for (int i = 0; i < 50000; ++i) text += std::to_string(i);
  write_text_file(dir.file("x"), text);
  EXPECT_EQ(read_text_file(dir.file("x")), text);
}

TEST(AtomicFile, NamesAsLongAsTheFileSystemAllows) {
  const TempDir dir;
  const std::string longest = dir.file(std::string(255, 'n'));
  write_text_file(longest, "one");
  write_text_file(longest, "two");
  EXPECT_EQ(read_text_file(longest), "two");
  EXPECT_EQ(dir.entries(), 1u);
  expect_message<Error>([&] { check_writable(dir.file(std::string(256, 'n'))); }, "the name is too long");
}

TEST(AtomicFile, OnlyRegularFilesAreRead) {
  const TempDir dir;
  ASSERT_EQ(::mkfifo(dir.file("pipe").c_str(), 0600), 0);
  expect_message<Error>([&] { read_text_file(dir.file("pipe")); }, "it is a pipe or a device");
  expect_message<Error>([] { read_text_file("/dev/zero"); }, "it is a pipe or a device");
}

TEST(OutputSet, AllOrNone) {
  const TempDir dir;
  write_text_file(dir.file("old"), "old");
  {
    const OutputSet files;
    write_text_file(dir.file("old"), "new");
    write_text_file(dir.file("other"), "new");
    EXPECT_EQ(read_text_file(dir.file("old")), "old");
  }
  EXPECT_EQ(read_text_file(dir.file("old")), "old");
  EXPECT_EQ(dir.entries(), 1u) << "what was not committed is gone";
  OutputSet files;
  write_text_file(dir.file("old"), "newer");
  write_text_file(dir.file("other"), "newer");
  EXPECT_EQ(files.bytes(dir.file("other")), 5u);
  EXPECT_EQ(files.bytes(dir.file("third")), 0u);
  files.commit();
  EXPECT_EQ(read_text_file(dir.file("old")), "newer");
  EXPECT_EQ(read_text_file(dir.file("other")), "newer");
  EXPECT_EQ(dir.entries(), 2u);
  write_text_file(dir.file("later"), "at once");
  EXPECT_EQ(read_text_file(dir.file("later")), "at once");
  EXPECT_THROW(files.commit(), std::logic_error);
}

TEST(OutputSet, ARenameThatFailsTakesTheEarlierOnesBack) {
  const TempDir dir;
  write_text_file(dir.file("old"), "old");
  ASSERT_EQ(::chmod(dir.file("old").c_str(), 0640), 0);
  OutputSet files;
  write_text_file(dir.file("old"), "new");
  write_text_file(dir.file("fresh"), "new");
  write_text_file(dir.file("taken"), "new");
  write_text_file(dir.file("last"), "new");
  std::filesystem::create_directory(dir.file("taken"));  // since it was checked
  EXPECT_TRUE(contains(message_of<Error>([&] { files.commit(); }), "taken: it is a folder"));
  EXPECT_EQ(read_text_file(dir.file("old")), "old");
  EXPECT_EQ(std::filesystem::status(dir.file("old")).permissions(), std::filesystem::perms(0640));
  EXPECT_FALSE(std::filesystem::exists(dir.file("fresh")));
  EXPECT_FALSE(std::filesystem::exists(dir.file("last")));
}

TEST(OutputSet, NothingIsLeftOfAFailedOne) {
  const TempDir dir;
  write_text_file(dir.file("old"), "old");
  {
    OutputSet files;
    write_text_file(dir.file("old"), "new");
    write_text_file(dir.file("taken"), "new");
    std::filesystem::create_directory(dir.file("taken"));
    EXPECT_THROW(files.commit(), Error);
  }
  EXPECT_EQ(dir.entries(), 2u) << "the old file and the folder";
}

TEST(OutputSet, TwoOutputsOfOneNameAreRefused) {
  const TempDir dir;
  std::filesystem::create_symlink("one", dir.file("link"));
  const OutputSet files;
  write_text_file(dir.file("one"), "first");
  EXPECT_TRUE(contains(message_of<Error>([&] { write_text_file(dir.file("one"), "second"); }),
                       "another output of this run"));
  EXPECT_TRUE(contains(message_of<Error>([&] { write_text_file(dir.file("link"), "second"); }),
                       "another output of this run"));
}

TEST(OutputSet, AnInnerSetWaitsForTheOuterOne) {
  const TempDir dir;
  {
    OutputSet outer;
    {
      OutputSet inner;
      write_text_file(dir.file("kept"), "text");
      inner.commit();
    }
    {
      const OutputSet inner;
      write_text_file(dir.file("dropped"), "text");
    }
    EXPECT_FALSE(std::filesystem::exists(dir.file("kept")));
    outer.commit();
  }
  EXPECT_EQ(read_text_file(dir.file("kept")), "text");
  EXPECT_EQ(dir.entries(), 1u);
}

TEST(OutputSet, AProgramThatEndsAtOnceLeavesNothing) {
  const TempDir dir;
  write_text_file(dir.file("old"), "old");
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFile half(dir.file("half"));
    half.write("half");
    OutputSet files;
    write_text_file(dir.file("old"), "new");
    abandon_outputs();
    ::_exit(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_text_file(dir.file("old")), "old");
  EXPECT_EQ(dir.entries(), 1u);
}

}  // namespace
}  // namespace vitrim
