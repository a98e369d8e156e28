#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "data/data_fixtures.h"
#include "data/tar_files.h"
#include "vitrim/core/error.h"
#include "vitrim/core/random.h"

namespace vitrim::data {
namespace {

using namespace test;

/// One labelled sample whose picture is a fixture.
std::string sample(const std::string& key, const std::string& picture, int label) {
  const std::string extension = picture.substr(picture.rfind('.'));
  return tar_member(key + extension, fixture_bytes(picture)) +
         tar_member(key + ".cls", std::to_string(label));
}

std::string problem_with(const std::string& source) {
  return message_of<Error>([&] { open_dataset(source); });
}

/// The error message for an archive of these bytes.
std::string shard_problem(const std::string& bytes) {
  const TempDir folder;
  const std::string path = folder.file("x.tar");
  put(path, bytes);
  const std::string message = message_of<FormatError>([&] { open_dataset(path); });
  EXPECT_TRUE(contains(message, path));
  return message;
}

TEST(TarShards, ReadsSamplesInTheOrderOfTheirImages) {
  const TempDir folder;
  const std::string path = folder.file("one.tar");
  put(path, tar_member("b.d/", "", '5') + tar_member("b.d/2.cls", " 7\r\n") + tar_member("b.d/2.json", "{}") +
                tar_member("b.d/2.JPEG", fixture_bytes("rgb444.jpg")) + sample("a/1", "rgb16.png", 3) +
                tar_member("a/1.seg.png", "not an image") + tar_member("a/.hidden.jpg", "no") +
                tar_member("a/LICENSE", "free") + tar_member("a/3.jpg", "", '2') +
                tar_member("a/3.txt", std::string(9000, 'x')) + sample("0", "grey.jpg", 0) + kTarEnd);
  const auto set = open_dataset(path);
  ASSERT_EQ(set->size(), 3);
  EXPECT_EQ(set->num_classes(), 8);
  EXPECT_EQ(set->description(), "tar shards " + path + ", 1 shard, 3 images");
  EXPECT_EQ(set->shard_ends(), std::vector<int64_t>{3});
  const char* names[] = {"b.d/2.JPEG", "a/1.png", "0.jpg"};
  const char* pictures[] = {"rgb444.jpg", "rgb16.png", "grey.jpg"};
  const int64_t labels[] = {7, 3, 0};
  for (int64_t i = 2; i >= 0; --i) {
    EXPECT_EQ(set->name(i), path + "/" + names[i]);
    EXPECT_EQ(set->label(i), labels[i]);
    EXPECT_EQ(hash(set->read(i)), hash(decode(fixture_bytes(pictures[i]))));
  }
  EXPECT_THROW(set->read(3), std::out_of_range);
  EXPECT_THROW(set->label(-1), std::out_of_range);
}

TEST(TarShards, OtherSetsHaveNoShards) {
  EXPECT_TRUE(open_dataset("synthetic:val:10")->shard_ends().empty());
}

/// Python's tarfile as an independent writer, in its three formats, with names that need the extensions of
/// each format.
TEST(TarShards, ReadsWhatPythonWrites) {
  const TempDir folder;
  put(folder.file("write.py"), R"PY(
import io, os, sys, tarfile
out, fixtures = sys.argv[1:]
pictures = sorted(n for n in os.listdir(fixtures) if n.endswith(('.png', '.jpg')))
for name, form in (('ustar', tarfile.USTAR_FORMAT), ('gnu', tarfile.GNU_FORMAT), ('pax', tarfile.PAX_FORMAT)):
    more = {'pax_headers': {'comment': 'global'}} if name == 'pax' else {}
    with tarfile.open(os.path.join(out, name + '.tar'), 'w', format=form, **more) as tar:
        def add(path, data, **fields):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            for key, value in fields.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
        add('folder', b'', type=tarfile.DIRTYPE)
        with open(os.path.join(out, name + '.txt'), 'w', encoding='utf-8') as listing:
            for i, picture in enumerate(pictures):
                key = 'folder/%04d' % i
                if i == 3:
                    key = 'd' * 120 + '/' + 'k' * 60                       # ustar: the prefix
                if i == 4:
                    key = 'd' * 90 + '/' + 'k' * (9 if name == 'ustar' else 1200)  # 100 and 104 bytes, or a long name
                if i == 5 and name != 'ustar':
                    key = 'schön/grün'
                extension = picture[-4:]
                with open(os.path.join(fixtures, picture), 'rb') as file:
                    data = file.read()
                # Large ids and fractions of seconds need pax records or binary numbers.
                fields = {} if name == 'ustar' else {'uid': 1 << 25, 'mtime': 1.5 if name == 'pax' else 1}
                add(key + '.json', b'{"a": 1}' * 700, **fields)
                if i % 2: add(key + '.cls', b'%d' % (i * 3), **fields)
                add(key + extension, data, **fields)
                if not i % 2: add(key + '.cls', b'%d\n' % (i * 3), **fields)
                link = tarfile.TarInfo(key + '.link.jpg')
                link.type, link.linkname = (tarfile.SYMTYPE if i % 3 else tarfile.LNKTYPE), 'x' * (150 if name != 'ustar' else 50)
                tar.addfile(link)
                listing.write('%s\t%s\t%d\n' % (key + extension, picture, i * 3))
)PY");
  const char* named = std::getenv("VITRIM_PYTHON");
  const std::string python = named ? named : "python3";
  if (std::system((python + " -c 'import tarfile' >/dev/null 2>&1").c_str()) != 0)
    GTEST_SKIP() << "SKIPPED: python3 does not run, so tarfile's archives are not tested (set VITRIM_PYTHON)";
  const std::string command =
      python + " '" + folder.file("write.py") + "' '" + folder.file("") + "' '" + fixture("").string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  for (const std::string format : {"ustar", "gnu", "pax"}) {
    const std::string path = folder.file(format + ".tar");
    const auto set = open_dataset(path);
    std::ifstream listing(folder.file(format + ".txt"));
    std::string line;
    int64_t i = 0;
    for (; std::getline(listing, line); ++i) {
      const size_t first = line.find('\t'), second = line.rfind('\t');
      ASSERT_LT(i, set->size());
      EXPECT_EQ(set->name(i), path + "/" + line.substr(0, first));
      EXPECT_EQ(set->label(i), std::stoll(line.substr(second + 1)));
      const std::string picture = line.substr(first + 1, second - first - 1);
      EXPECT_EQ(hash(set->read(i)), hash(decode(fixture_bytes(picture)))) << format << " " << picture;
    }
    EXPECT_GE(i, 10);
    EXPECT_EQ(set->size(), i);
    EXPECT_EQ(set->num_classes(), (i - 1) * 3 + 1);
  }
}

TEST(TarShards, BracesNameShardsInOrder) {
  const TempDir folder;
  int label = 0;
  for (const char* name :
       {"a/t-08", "a/t-09", "a/t-10", "b/t-08", "b/t-09", "b/t-10", "9", "10", "11", "x", "y1", "y2"}) {
    put(folder.file(std::string(name) + ".tar"), sample("s", "grey.jpg", label++) + kTarEnd);
  }
  const auto labels = [&](const std::string& pattern) {
    const auto set = open_dataset(folder.file(pattern));
    std::vector<int64_t> all;
    for (int64_t i = 0; i < set->size(); ++i) all.push_back(set->label(i));
    return all;
  };
  using Labels = std::vector<int64_t>;
  EXPECT_EQ(labels("{a,b}/t-{08..10}.tar"), (Labels{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(labels("{b,a}/t-{09,08}.tar"), (Labels{4, 3, 1, 0}));
  EXPECT_EQ(labels("{9..11}.tar"), (Labels{6, 7, 8}));
  EXPECT_EQ(labels("{x,y{1..2}}.tar"), (Labels{9, 10, 11}));
  EXPECT_EQ(labels("a/t-{08..08}.tar"), Labels{0});
  const auto set = open_dataset(folder.file("{a,b}/t-{08..10}.tar"));
  EXPECT_EQ(set->shard_ends(), (Labels{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(set->name(4), folder.file("b/t-09.tar") + "/s.jpg");
  EXPECT_EQ(set->description(), "tar shards " + folder.file("{a,b}/t-{08..10}.tar") + ", 6 shards, 6 images");

  const auto says = [&](const std::string& pattern, const std::string& part) {
    EXPECT_TRUE(contains(problem_with(folder.file(pattern)), part));
  };
  says("t-{08..10.tar", "braces that do not match");
  says("t-08}.tar", "braces that do not match");
  says("t-{}.tar", "{} is neither a range of whole numbers nor a list");
  says("t-{a}.tar", "{a} is neither a range");
  says("t-{1..x}.tar", "{1..x} is neither a range");
  says("t-{10..08}.tar", "the range {10..08} runs backwards");
  says("t-{0..9999999}.tar", "more than a million names");
  says("t-{0..999}{0..999}{0..9}.tar", "more than a million names");
  says("t-{1..99999999999999999999}.tar", "is neither a range");
  says(std::string(100, '{') + "a,b" + std::string(100, '}') + ".tar", "nest deeper");
  says("a/t-{08,08}.tar", "t-08.tar twice");
  says("{a,b}", "shards are plain .tar files");
  says("a/t-{08..10}.tar.gz", "shards are plain .tar files");
}

TEST(TarShards, MissingShardsAreNamed) {
  const TempDir folder;
  for (const int i : {0, 1, 3, 4})
    put(folder.file("t-" + std::to_string(i) + ".tar"), sample("s", "grey.jpg", 0) + kTarEnd);
  EXPECT_TRUE(contains(problem_with(folder.file("t-{0..4}.tar")),
                       "1 of 5 shards is missing: " + folder.file("t-2.tar")));
  EXPECT_TRUE(
      contains(problem_with(folder.file("t-{0..6}.tar")),
               "3 of 7 shards are missing: " + folder.file("t-2.tar") + ", " + folder.file("t-5.tar")));
  EXPECT_TRUE(contains(problem_with(folder.file("u.tar")), "no such file"));
  EXPECT_TRUE(contains(problem_with(folder.file("u-{0..999}.tar")), "u-9.tar, ...; restore"));
  std::filesystem::create_directory(folder.file("t-2.tar"));
  EXPECT_TRUE(
      contains(problem_with(folder.file("t-{0..4}.tar")), folder.file("t-2.tar") + ": not a regular file"));
}

TEST(TarShards, EmptyShardsAreSkippedButNotAnEmptySet) {
  const TempDir folder;
  put(folder.file("0.tar"), kTarEnd);
  put(folder.file("1.tar"), sample("a", "grey.jpg", 1) + sample("b", "grey.png", 2) + kTarEnd);
  put(folder.file("2.tar"), tar_member("note.txt", "x") + kTarEnd);
  put(folder.file("3.tar"), sample("a", "rgb.png", 5) + kTarEnd);
  const auto set = open_dataset(folder.file("{0..3}.tar"));
  EXPECT_EQ(set->size(), 3);
  EXPECT_EQ(set->shard_ends(), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(set->label(2), 5);
  EXPECT_EQ(hash(set->read(2)), hash(decode(fixture_bytes("rgb.png"))));
  EXPECT_TRUE(contains(problem_with(folder.file("{0,2}.tar")), "no image"));
}

TEST(TarShards, LabelsAreThereForAllOrForNone) {
  const TempDir folder;
  const std::string picture = tar_member("b.jpg", fixture_bytes("grey.jpg"));
  put(folder.file("none.tar"), picture + kTarEnd);
  const auto set = open_dataset(folder.file("none.tar"));
  EXPECT_EQ(set->label(0), -1);
  EXPECT_EQ(set->num_classes(), 0);
  EXPECT_TRUE(contains(set->description(), "1 images without labels"));
  put(folder.file("some.tar"), sample("a", "grey.jpg", 1) + picture + kTarEnd);
  EXPECT_TRUE(
      contains(problem_with(folder.file("some.tar")), folder.file("some.tar") + "/b.jpg: no .cls member"));
  put(folder.file("classes.txt"), "cat\ndog\n");
  const std::string message = message_of<std::invalid_argument>(
      [&] { open_dataset(folder.file("none.tar"), DatasetOptions{folder.file("classes.txt")}); });
  EXPECT_TRUE(contains(message, "class indices already"));
}

TEST(TarShards, FingerprintIsOfNamesSizesAndLabelsNotOfThePlace) {
  const TempDir folder;
  const std::string one = sample("a", "grey.jpg", 1) + kTarEnd, two = sample("b", "grey.png", 2) + kTarEnd;
  for (const char* where : {"here/0.tar", "there/deep/0.tar", "renamed/0.tar"}) put(folder.file(where), one);
  for (const char* where : {"here/1.tar", "there/deep/1.tar", "renamed/2.tar"}) put(folder.file(where), two);
  const auto of = [&](const std::string& source) { return open_dataset(folder.file(source))->fingerprint(); };
  const std::string expected = of("here/{0,1}.tar");
  EXPECT_TRUE(expected.starts_with("2 files, sha256 "));
  EXPECT_EQ(of("there/deep/{0,1}.tar"), expected);
  EXPECT_NE(of("renamed/{0,2}.tar"), expected);
  EXPECT_NE(of("here/0.tar"), expected);
  EXPECT_EQ(of("{here,there/deep}/0.tar"), of("{here,there/deep}/0.tar"));
  put(folder.file("here/1.tar"), sample("b", "grey.png", 3) + kTarEnd);
  EXPECT_NE(of("here/{0,1}.tar"), expected);
}

TEST(TarShards, EveryCutIsNoticed) {
  const std::string members =
      sample("a", "grey4.png", 1) + tar_member(std::string(90, 'x') + ".txt", "text") +
      tar_member("././@LongLink", std::string(200, 'k') + ".png", 'L') +
      tar_member("k", fixture_bytes("grey4.png")) +
      tar_member("x", pax_record("path", std::string(200, 'k') + ".cls"), 'x') + tar_member("k", "2");
  const std::string whole = members + std::string(10240 - members.size() % 10240, '\0');
  const TempDir folder;
  const std::string path = folder.file("cut.tar");
  // One block of zeros is enough of an end mark; before it, the archive is not whole.
  for (size_t size = 0; size < members.size() + 512; size += size % 512 == 0   ? 1
                                                             : size % 512 == 1 ? 510
                                                                               : 1) {
    put(path, whole.substr(0, size));
    EXPECT_TRUE(contains(message_of<FormatError>([&] { open_dataset(path); }), "cut.tar: byte ")) << size;
  }
  for (const size_t size :
       {members.size() + 512, members.size() + 600, members.size() + 1024, whole.size()}) {
    put(path, whole.substr(0, size));
    const auto set = open_dataset(path);
    EXPECT_EQ(set->size(), 2);
    EXPECT_EQ(set->label(1), 2);
    EXPECT_EQ(set->name(1), path + "/" + std::string(200, 'k') + ".png");
  }
}

TEST(TarShards, DamageIsNamedWithItsPlace) {
  const std::string good = sample("a", "grey.jpg", 1);
  EXPECT_TRUE(contains(shard_problem(""), "byte 0: empty file"));
  EXPECT_TRUE(contains(shard_problem(std::string(600, 'x')), "byte 0: not a tar archive"));
  EXPECT_TRUE(contains(shard_problem("\x1f\x8b" + std::string(600, 'x')), "byte 0: a compressed archive"));
  EXPECT_TRUE(contains(shard_problem(good + std::string(512, 'x') + kTarEnd),
                       "byte " + std::to_string(good.size()) + ": not a tar header"));
  EXPECT_TRUE(contains(shard_problem(good + kTarEnd + good + kTarEnd), "data after the archive's end mark"));
  std::string flipped = good + kTarEnd;
  flipped[3] = 'z';
  EXPECT_TRUE(contains(shard_problem(flipped), "byte 0: not a tar archive"));

  const auto with_size = [&](const std::string& size) {
    return shard_problem(tar_header("a.jpg", '0', size) + kTarEnd);
  };
  EXPECT_TRUE(contains(with_size("0000000000x"), "byte 124: the member's size is not a number"));
  EXPECT_TRUE(contains(with_size("00000000009"), "byte 124: the member's size is not a number"));
  EXPECT_TRUE(contains(with_size(std::string(12, ' ')), "not a number"));
  EXPECT_TRUE(contains(with_size("-0000000001"), "not a number"));
  EXPECT_TRUE(contains(with_size(std::string(12, '\xff')), "not a number"));
  EXPECT_TRUE(contains(with_size("\x80" + std::string(11, '\xff')), "not a number"));
  EXPECT_TRUE(contains(with_size(tar_binary(~uint64_t{0} >> 1)), "bytes beyond the file"));
  EXPECT_TRUE(contains(with_size("777777777777"), "bytes beyond the file"));
  EXPECT_TRUE(contains(with_size(tar_octal(1025)), "byte 0: the member ends 1 bytes beyond the file"));

  const auto with_pax = [&](const std::string& records) {
    return shard_problem(tar_member("x", records, 'x') + good + kTarEnd);
  };
  EXPECT_TRUE(contains(with_pax("9999 path=a\n"), "byte 512: malformed pax records"));
  EXPECT_TRUE(contains(with_pax("5 path=a\n"), "malformed"));
  EXPECT_TRUE(contains(with_pax("0 \n"), "malformed"));
  EXPECT_TRUE(contains(with_pax("path=a\n"), "malformed"));
  EXPECT_TRUE(contains(with_pax("8 pathx\n"), "malformed"));
  EXPECT_TRUE(contains(with_pax(pax_record("size", "-1")), "malformed"));
  EXPECT_TRUE(contains(with_pax(pax_record("size", "99999999999999999999")), "malformed"));
  EXPECT_TRUE(contains(with_pax(pax_record("size", "9999999999")), "bytes beyond the file"));
  EXPECT_TRUE(contains(with_pax(pax_record("GNU.sparse.major", "1")), "a sparse member"));
  EXPECT_TRUE(contains(shard_problem(tar_member("a.jpg", "", 'S') + kTarEnd), "a sparse member"));
  EXPECT_TRUE(contains(shard_problem(tar_member("x", std::string(2 << 20, 'a'), 'L') + kTarEnd),
                       "extended header of 2097152 bytes"));
  EXPECT_TRUE(contains(shard_problem(tar_member("x", "a.jpg", 'L') + kTarEnd),
                       "ends where the member of an extended header"));

  const auto with_class = [&](const std::string& text) {
    return shard_problem(tar_member("a.jpg", fixture_bytes("grey.jpg")) + tar_member("a.cls", text) +
                         kTarEnd);
  };
  for (const std::string text : {"", " ", "cat", "1 2", "-1", "1.5", "99999999999", "0x1"}) {
    EXPECT_TRUE(contains(with_class(text), "a.cls contains no class index")) << text;
  }
  EXPECT_TRUE(contains(with_class(std::string(100, '1')), "a.cls contains no class index"));
  EXPECT_TRUE(contains(shard_problem(good + tar_member("a.cls", "1") + kTarEnd),
                       "a second class for one sample, a.cls"));
  EXPECT_TRUE(contains(shard_problem(good + tar_member("a.png", "x") + kTarEnd),
                       "a second image for one sample, a.png"));
  EXPECT_TRUE(contains(shard_problem(tar_member("b.tiff", "x") + tar_member("b.cls", "1") + good + kTarEnd),
                       "b.cls has no image"));
}

TEST(TarShards, SizesBeyondEightGigabytesAreRead) {
  const TempDir folder;
  const std::string path = folder.file("large.tar");
  const uint64_t size = (uint64_t{9} << 30) + 100, padded = (size + 511) / 512 * 512;
  const std::string binary = tar_header("big.txt", '0', tar_binary(size));
  const std::string pax = tar_member("x", pax_record("size", std::to_string(size)), 'x') +
                          tar_header("big.txt", '0', tar_octal(0));
  for (const std::string& head : {binary, pax}) {
    std::filesystem::remove(path);
    put(path, head);
    std::error_code error;
    std::filesystem::resize_file(path, head.size() + padded, error);  // a hole
    if (error) GTEST_SKIP() << "SKIPPED: the temporary folder takes no large files with holes";
    std::ofstream(path, std::ios::binary | std::ios::app) << sample("a", "rgb.png", 4) << kTarEnd;
    const auto set = open_dataset(path);
    ASSERT_EQ(set->size(), 1);
    EXPECT_EQ(set->label(0), 4);
    EXPECT_EQ(hash(set->read(0)), hash(decode(fixture_bytes("rgb.png"))));
  }
}

TEST(TarShards, OldFormatsAreRead) {
  // v7: no magic, a NUL as type, blanks around octal numbers; and a checksum over signed bytes.
  std::string v7 =
      tar_header("gr\xc3\xbcn.jpg", '\0', " " + tar_octal(fixture_bytes("grey.jpg").size()).substr(3) + "  ");
  v7.replace(257, 8, 8, '\0');
  v7.replace(148, 8, 8, ' ');
  int sum = 0;
  for (const char c : v7) sum += static_cast<signed char>(c);
  char digits[8];
  std::snprintf(digits, sizeof digits, "%06o", sum);
  v7.replace(148, 8, std::string(digits, 7) + " ");
  // GNU's old format has a time in the place of ustar's prefix.
  std::string gnu = tar_header("b.png", '0', tar_octal(fixture_bytes("grey.png").size()));
  gnu.replace(257, 8, std::string("ustar  \0", 8));
  gnu.replace(345, 11, "14717064025");
  const TempDir folder;
  put(folder.file("old.tar"), v7 + tar_padded(fixture_bytes("grey.jpg")) + tar_summed(gnu) +
                                  tar_padded(fixture_bytes("grey.png")) + kTarEnd);
  const auto set = open_dataset(folder.file("old.tar"));
  ASSERT_EQ(set->size(), 2);
  EXPECT_EQ(set->name(0), folder.file("old.tar") + "/gr\xc3\xbcn.jpg");
  EXPECT_EQ(set->name(1), folder.file("old.tar") + "/b.png");
  EXPECT_EQ(hash(set->read(1)), hash(decode(fixture_bytes("grey.png"))));
}

size_t open_files() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

TEST(TarShards, ManyThreadsReadManyShardsWithFewOpenFiles) {
  const TempDir folder;
  const char* pictures[] = {"rgb.png", "grey.jpg", "rgb16.png", "cmyk.jpg", "palette8.png"};
  constexpr int kShards = 200;
  for (int i = 0; i < kShards; ++i) {
    put(folder.file("t-" + std::to_string(i) + ".tar"),
        sample("a", pictures[i % 5], i) + sample("b", pictures[(i + 1) % 5], i) + kTarEnd);
  }
  const size_t before = open_files();
  const auto set = open_dataset(folder.file("t-{0..199}.tar"));
  EXPECT_EQ(open_files(), before) << "opening a set leaves no shard open";
  std::vector<std::string> expected;
  for (const char* picture : pictures) expected.push_back(hash(decode(fixture_bytes(picture))));
  std::atomic<int64_t> wrong{0}, most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Random random(1, static_cast<uint64_t>(t));
      for (int n = 0; n < 500; ++n) {
        const int64_t i = random.below(2 * kShards);
        if (hash(set->read(i)) != expected[static_cast<size_t>((i / 2 + i % 2) % 5)] ||
            set->label(i) != i / 2)
          ++wrong;
        if (n % 100 == 99 && t == 0) most = std::max<int64_t>(most, static_cast<int64_t>(open_files()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  // 64 shards, one more per thread while it reads, and the listing of open files itself.
  EXPECT_LE(most, static_cast<int64_t>(before) + 64 + 2 * 4 + 1);
}

TEST(TarShards, AShardThatShrinksOrVanishesInUseIsNamed) {
  const TempDir folder;
  put(folder.file("0.tar"), sample("a", "grey.jpg", 1) + kTarEnd);
  put(folder.file("1.tar"), sample("a", "grey.jpg", 1) + kTarEnd);
  const auto set = open_dataset(folder.file("{0,1}.tar"));
  std::filesystem::resize_file(folder.file("0.tar"), 600);
  EXPECT_TRUE(contains(message_of<FormatError>([&] { set->read(0); }),
                       "0.tar: byte 512: the archive became shorter"));
  std::filesystem::remove(folder.file("1.tar"));
  EXPECT_TRUE(contains(message_of<Error>([&] { set->read(1); }), folder.file("1.tar")));
  // A member that is not an image is reported with its shard and name.
  put(folder.file("2.tar"), tar_member("b.jpg", "no image at all") + kTarEnd);
  EXPECT_TRUE(contains(message_of<FormatError>([&] { open_dataset(folder.file("2.tar"))->read(0); }),
                       "2.tar/b.jpg: byte 0"));
}

}  // namespace
}  // namespace vitrim::data
