#pragma once
// Labelled images by index: image folders, CIFAR binaries, tar shards, and the synthetic set that vitrim
// draws.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vitrim::data {

/// An 8-bit RGB image, rows top to bottom, channels interleaved (HWC).
struct Image {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> pixels;
};

/// Default limit for the pixels of one image, both decoded and resized; it is more than cameras produce. A
/// header that declares more is damaged or hostile, and no memory is spent on it.
inline constexpr int64_t kMaxPixels = int64_t{1} << 26;

/// The class of pixels in a mask that are ignored in training and evaluation.
inline constexpr uint8_t kIgnoredClass = 255;

/// A class for every pixel, rows top to bottom.
struct Mask {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> classes;
};

/// Random access to labelled images. `read` is thread-safe.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  /// Class index; -1 if the set has no labels (a flat folder).
  virtual int64_t label(int64_t index) const = 0;
  /// The file's path, or "cifar100:test:17" and the like, for messages.
  virtual std::string name(int64_t index) const = 0;
  /// Decodes one image. Throws FormatError if it is corrupt.
  virtual Image read(int64_t index) const = 0;
  /// Number of classes that labels refer to; 0 if unknown.
  virtual int64_t num_classes() const = 0;
  /// Whether num_classes() is stated by the data set. Otherwise (tar shards) it is one more than the largest
  /// label found, and there may be more classes.
  virtual bool declares_classes() const { return true; }
  /// Whether a classifier over `classes` fits the labels.
  bool fits_classes(int64_t classes) const {
    return declares_classes() ? num_classes() == classes : num_classes() <= classes;
  }
  /// Whether the images have masks instead of labels.
  virtual bool has_masks() const { return false; }
  /// Decodes the mask of one image. Throws FormatError if it is corrupt, std::logic_error if the set has no
  /// masks.
  virtual Mask read_mask(int64_t index) const;
  /// Names of the classes in order; empty if unknown.
  virtual std::vector<std::string> class_names() const { return {}; }
  virtual std::string description() const = 0;  ///< "image folder DIR, 700 images"
  /// "N files, sha256 ...": a hash over names and file sizes (for a CIFAR file over its bytes), which does
  /// not depend on where the folder is.
  virtual std::string fingerprint() const = 0;
  /// For each run of images that are stored together (a tar shard), one past its last index; the last entry
  /// is size(). Samplers use it to shuffle by shard and buffer. Empty: random access is cheap everywhere.
  virtual std::vector<int64_t> shard_ends() const { return {}; }
  /// The largest number of pixels that an image may have, decoded or resized.
  int64_t max_pixels() const { return max_pixels_; }

 protected:
  explicit Dataset(int64_t max_pixels = kMaxPixels) : max_pixels_(max_pixels) {}

 private:
  int64_t max_pixels_;
};

/// How the names of class folders are sorted if nothing else gives a class its index.
enum class ClassOrder {
  kUnsaid,  ///< not stated: if both orders agree, it is used; else open_dataset() throws and shows both
  kLexicographic,  ///< by characters: 1, 10, 2; Banana, apple (torchvision, Keras, Hugging Face datasets)
  kNatural,        ///< numbers by value, ignoring case: 1, 2, 10; apple, Banana (timm)
};
/// "lexicographic" or "natural"; throws std::invalid_argument on anything else.
ClassOrder parse_class_order(const std::string& name);

struct DatasetOptions {
  /// A class list (data/class_list.h) whose lines name the class folders in the order of their indices. A
  /// line names the folder as a whole if there is such a folder, else by its first word. Empty: none.
  std::string classes_file = {};
  ClassOrder class_order = ClassOrder::kUnsaid;
  /// The model's class names. They give the indices if class_order is kUnsaid and every class folder matches
  /// one of them. Matching ignores case and takes underscores as blanks; "tench" matches "tench, Tinca
  /// tinca".
  std::vector<std::string> class_names = {};
  /// Whether labels are needed. If not, class folders are only folders of images: their order does not
  /// matter, and every label is -1.
  bool labels = true;
  int64_t max_pixels = kMaxPixels;  ///< limit for one image; see Dataset::max_pixels()
};

/// Opens the data set that `source` names. Possible sources are:
/// - A folder of class folders, or a flat folder of unlabelled images: JPEG, PNG and WebP, recognised by
///   content. Hidden files are skipped. Images are in sorted path order. Images in other formats and special
///   files are skipped with a warning that counts them.
/// - A CIFAR-10 or CIFAR-100 `.bin` file, told apart by the record size; fine labels.
/// - Tar archives in WebDataset's layout: `x.tar`, or several as `train-{0000..1023}.tar` and `{a,b}.tar`.
///   Members with the same path up to the first dot of the base name form one sample: an image (.jpg, .jpeg,
///   .png, .webp) and its class index as text (.cls). Other members are ignored, with a warning that counts
///   those that look like images. Without any .cls the set is unlabelled. Formats are ustar, GNU and pax, not
///   compressed. Nothing is extracted: opening reads all headers, several shards at once, and read() reads
///   one member. Images are in the order of shards and bytes.
/// - An ADE20K folder, which contains `images` and `annotations`, or `FOLDER:SPLIT` for the folders SPLIT in
///   these (training, validation). Every image has an 8-bit PNG of the same name, in which 0 is ignored and
///   1..150 are the classes 0..149. Class names come from objectInfo150.txt if FOLDER contains it, or (also
///   their number) from a class list.
/// - `synthetic-masks:SPLIT[:COUNT]`, the synthetic set with masks.
/// - `synthetic:SPLIT[:COUNT]`, where SPLIT is train, calib, val or test (each drawn from its own seeds;
///   default counts are in data/synthetic.h).
///
/// Throws vitrim::Error if the source is missing (all missing shards are counted, the first ten named) or
/// empty, if a file stands where a folder is expected, if the folder contains splits (train, val), if a
/// folder name is not in the class list, or if the order of the class folders is in doubt. Throws
/// FormatError, with the byte, if an archive is damaged or truncated. Throws std::invalid_argument if a class
/// list is combined with tar shards or a class order, and if max_pixels is below 1.
std::unique_ptr<Dataset> open_dataset(const std::string& source, const DatasetOptions& options = {});
/// Throws vitrim::Error, as open_dataset() does, if `source` is neither an existing file or folder nor a
/// generated data set or a pattern of tar shards. Opens nothing.
void check_source(const std::string& source);
/// Whether open_dataset() reads `source` as tar shards, which can't be combined with a class list.
bool is_tar_name(const std::string& source);

/// Decodes JPEG (grey, YCbCr, CMYK/YCCK), PNG (grey, palette, 16 bit) or WebP to RGB; an alpha channel is
/// dropped without blending. `name` is for messages. Throws FormatError if the file is corrupt, has another
/// format, declares more than `max_pixels` pixels, or would need excessive work to decode (hundreds of
/// scans).
Image decode_image(const uint8_t* bytes, size_t count, const std::string& name,
                   int64_t max_pixels = kMaxPixels);
/// Decodes a mask: a PNG with one channel of at most 8 bits, grey or palette. Values are returned as stored,
/// without palette or scaling. Throws FormatError as decode_image() does.
Mask decode_mask(const uint8_t* bytes, size_t count, const std::string& name,
                 int64_t max_pixels = kMaxPixels);

/// An image and its mask, of the same size.
struct SegmentedImage {
  Image image;
  Mask mask;
};
/// Reads image and mask with index `index`. Throws FormatError if one is corrupt or if their sizes differ.
SegmentedImage read_segmented(const Dataset& dataset, int64_t index);

}  // namespace vitrim::data
