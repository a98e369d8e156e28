#include "checkpoint/pickle.h"

#include <initializer_list>
#include <unordered_map>

#include "checkpoint/byte_cursor.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

// The pickle of a large model with its optimiser has some 100,000 values. They take a few megabytes in the
// file and some twenty in memory.
constexpr size_t kLongestPickle = size_t{256} << 20;
constexpr size_t kMostBytes = size_t{128} << 20;

// A rough upper estimate for the memory of the interpreter's structures: a growing list holds up to three
// times its contents while it moves, and a block of memory has an overhead of some 32 bytes.
constexpr size_t kBlockBytes = 32, kReferenceBytes = 3 * sizeof(PickleRef), kMarkBytes = 3 * sizeof(size_t);
constexpr size_t kMemoBytes = 64;

// clang-format off
/// The opcodes, by their names in CPython's pickletools.
enum Opcode : uint8_t {
  MARK = '(', STOP = '.', POP = '0', POP_MARK = '1', DUP = '2', BININT = 'J', BININT1 = 'K', BININT2 = 'M', NONE = 'N',
  BINPERSID = 'Q', REDUCE = 'R', BINSTRING = 'T', SHORT_BINSTRING = 'U', BINUNICODE = 'X', APPEND = 'a', BUILD = 'b',
  GLOBAL = 'c', DICT = 'd', EMPTY_DICT = '}', APPENDS = 'e', BINGET = 'h', INST = 'i', LONG_BINGET = 'j', LIST = 'l',
  EMPTY_LIST = ']', OBJ = 'o', BINPUT = 'q', LONG_BINPUT = 'r', SETITEM = 's', TUPLE = 't', EMPTY_TUPLE = ')',
  SETITEMS = 'u', BINFLOAT = 'G', BINBYTES = 'B', SHORT_BINBYTES = 'C', PROTO = 0x80, NEWOBJ = 0x81, TUPLE1 = 0x85,
  TUPLE2 = 0x86, TUPLE3 = 0x87, NEWTRUE = 0x88, NEWFALSE = 0x89, LONG1 = 0x8a, LONG4 = 0x8b, SHORT_BINUNICODE = 0x8c,
  BINUNICODE8 = 0x8d, BINBYTES8 = 0x8e, EMPTY_SET = 0x8f, ADDITEMS = 0x90, FROZENSET = 0x91, NEWOBJ_EX = 0x92,
  STACK_GLOBAL = 0x93, MEMOIZE = 0x94, FRAME = 0x95, BYTEARRAY8 = 0x96,
};
// clang-format on

class Interpreter {
 public:
  Interpreter(Bytes bytes, const std::string& file, const std::string& record)
      : file_(file), record_(record), cursor_(bytes.data, bytes.size), size_(bytes.size) {
    pickle_.bytes = std::move(bytes);
  }

  Pickle run() {
    if (size_ > kLongestPickle)
      fail("the pickle is " + std::to_string(size_) + " bytes long, but at most " +
           std::to_string(kLongestPickle) + " are read; save only the model's state_dict()");
    while (!step(take<uint8_t>())) {
    }
    return std::move(pickle_);
  }

 private:
  using Kind = PickleKind;

  [[noreturn]] void fail(const std::string& what) const {
    throw FormatError(file_, record_ + " byte " + std::to_string(opcode_at_), what);
  }
  [[noreturn]] void fail_damaged(const std::string& what) const {
    fail(what + "; the pickle is damaged, copy or download the file again");
  }

  // --- input
  template <typename Number>
  Number take() {
    if (cursor_.left() < sizeof(Number)) fail_damaged("the pickle ends early");
    return cursor_.take<Number>();
  }
  std::string_view take_text(uint64_t length) {
    if (length > cursor_.left()) fail_damaged("a text or byte string reaches beyond the end of the pickle");
    const std::string_view text(reinterpret_cast<const char*>(cursor_.data()), length);
    cursor_.skip(length);
    return text;
  }
  std::string_view take_line() {
    const std::string_view rest(reinterpret_cast<const char*>(cursor_.data()), cursor_.left());
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) fail_damaged("a name is not terminated");
    cursor_.skip(end + 1);
    return rest.substr(0, end);
  }

  // --- values and the stack
  PickleValue& value(PickleRef ref) { return pickle_.values[ref]; }
  /// Counts memory as it is used; freed memory is not subtracted, so work is bounded too.
  void charge(size_t bytes) {
    used_ += bytes;
    if (used_ > kMostBytes)
      fail("the pickle takes more than " + std::to_string(kMostBytes >> 20) +
           " MB of memory; save only the model's state_dict()");
  }
  void push(PickleRef ref) {
    charge(kReferenceBytes);
    stack_.push_back(ref);
  }
  PickleRef make(Kind kind) {
    charge(sizeof(PickleValue));
    pickle_.values.emplace_back().kind = kind;
    return static_cast<PickleRef>(pickle_.values.size() - 1);
  }
  PickleValue& push_new(Kind kind) {
    push(make(kind));
    return value(stack_.back());
  }
  void push_number(Kind kind, int64_t number) { push_new(kind).number = number; }
  void push_text(Kind kind, std::string_view text) { push_new(kind).text = text; }

  /// The lowest stack position that an opcode may touch: values below a mark are out of reach.
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  void need(size_t count) const {
    if (stack_.size() - floor() < count) fail_damaged("an instruction finds too few values");
  }
  PickleRef pop() {
    need(1);
    const PickleRef ref = stack_.back();
    stack_.pop_back();
    return ref;
  }
  PickleRef top() const {
    need(1);
    return stack_.back();
  }
  std::vector<PickleRef> pop_to_mark() {
    if (marks_.empty()) fail_damaged("an instruction finds no mark");
    charge(kBlockBytes + (stack_.size() - marks_.back()) * sizeof(PickleRef));
    std::vector<PickleRef> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  void push_items(Kind kind, std::vector<PickleRef> items) { push_new(kind).items = std::move(items); }
  void push_tuple(size_t count) {
    need(count);
    charge(kBlockBytes + count * sizeof(PickleRef));
    std::vector<PickleRef> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    push_items(Kind::kTuple, std::move(items));
  }

  // --- instructions
  void remember(uint64_t slot) {
    if (memo_.insert_or_assign(slot, top()).second) charge(kMemoBytes);
  }
  void recall(uint64_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) fail_damaged("an instruction recalls a value that was never remembered");
    push(found->second);
  }

  void push_object(PickleRef callee, PickleRef arguments, PickleRef state = kNoValue) {
    PickleValue& object = push_new(Kind::kObject);
    object.callee = callee;
    object.arguments = arguments;
    object.state = state;
  }
  void push_call(bool keywords) {
    const PickleRef state = keywords ? pop() : kNoValue;
    const PickleRef arguments = pop();
    if (value(arguments).kind != Kind::kTuple) fail_damaged("a call's arguments are not a tuple");
    push_object(pop(), arguments, state);
  }
  void push_call_with(PickleRef callee, std::vector<PickleRef> arguments) {
    push_items(Kind::kTuple, std::move(arguments));
    push_object(callee, pop());
  }
  void push_global(std::string_view module, std::string_view name) {
    PickleValue& global = push_new(Kind::kGlobal);
    global.module = module;
    global.text = name;
  }

  void add_pairs(const std::vector<PickleRef>& items) {
    if (items.size() % 2 != 0) fail_damaged("a dict's key has no value");
    PickleValue& target = value(top());
    if (target.kind != Kind::kDict && target.kind != Kind::kObject)
      fail_damaged("a key is set in something that is not a dict");
    target.has_pairs = true;
    charge(kBlockBytes + items.size() * kReferenceBytes);
    target.items.insert(target.items.end(), items.begin(), items.end());
  }
  void add_elements(const std::vector<PickleRef>& items) {
    PickleValue& target = value(top());
    if (target.kind != Kind::kList && target.kind != Kind::kSet && target.kind != Kind::kObject)
      fail_damaged("an element is added to something that is not a list");
    target.has_elements = true;
    charge(kBlockBytes + items.size() * kReferenceBytes);
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  void push_long(uint64_t length) {
    const std::string_view bytes = take_text(length);
    if (bytes.size() > sizeof(int64_t)) {
      push_new(Kind::kLargeInt);
      return;
    }
    // Little-endian two's complement of any length; the last byte carries the sign.
    uint64_t bits = !bytes.empty() && (static_cast<uint8_t>(bytes.back()) & 0x80) ? ~uint64_t{0} : 0;
    for (size_t i = bytes.size(); i-- > 0;) bits = (bits << 8) | static_cast<uint8_t>(bytes[i]);
    push_number(Kind::kInt, static_cast<int64_t>(bits));
  }

  bool step(uint8_t opcode);
  bool step_data(uint8_t opcode);
  bool step_container(uint8_t opcode);
  bool step_object(uint8_t opcode);

  const std::string& file_;
  const std::string& record_;
  ByteCursor cursor_;
  const size_t size_;
  size_t opcode_at_ = 0;
  size_t used_ = 0;
  Pickle pickle_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, PickleRef> memo_;
};

/// Executes one instruction; true at the end.
bool Interpreter::step(uint8_t opcode) {
  opcode_at_ = size_ - cursor_.left() - 1;
  switch (opcode) {
    case STOP:
      pickle_.root = pop();
      return true;
    case PROTO:
      if (const auto version = take<uint8_t>(); version < 2 || version > 5)
        fail("the pickle has protocol " + std::to_string(version) +
             ", but only 2 to 5 are read; save it again with torch.save's default");
      return false;
    case FRAME:
      take<uint64_t>();
      return false;
    case MARK:
      charge(kMarkBytes);
      marks_.push_back(stack_.size());
      return false;
    case POP:
      // CPython pops a mark if there is one on top.
      if (!marks_.empty() && marks_.back() == stack_.size())
        marks_.pop_back();
      else
        pop();
      return false;
    case POP_MARK:
      pop_to_mark();
      return false;
    case DUP:
      push(top());
      return false;
    case BINPUT:
      remember(take<uint8_t>());
      return false;
    case LONG_BINPUT:
      remember(take<uint32_t>());
      return false;
    case MEMOIZE:
      remember(memo_.size());
      return false;
    case BINGET:
      recall(take<uint8_t>());
      return false;
    case LONG_BINGET:
      recall(take<uint32_t>());
      return false;
    default:
      break;
  }
  if (!step_data(opcode) && !step_container(opcode) && !step_object(opcode))
    fail("instruction " + std::to_string(opcode) +
         " is not one that torch.save writes (pickle protocols 2 to 5); save it again with a current torch");
  return false;
}

// clang-format off
/// Numbers, texts and bytes; false if the opcode is none of these.
bool Interpreter::step_data(uint8_t opcode) {
  switch (opcode) {
    case NONE: push_new(Kind::kNone); break;
    case NEWTRUE: push_number(Kind::kBool, 1); break;
    case NEWFALSE: push_number(Kind::kBool, 0); break;
    case BININT: push_number(Kind::kInt, take<int32_t>()); break;
    case BININT1: push_number(Kind::kInt, take<uint8_t>()); break;
    case BININT2: push_number(Kind::kInt, take<uint16_t>()); break;
    case LONG1: push_long(take<uint8_t>()); break;
    case LONG4: push_long(take<uint32_t>()); break;
    case BINFLOAT: take<uint64_t>(); push_new(Kind::kFloat); break;
    // Python 2's str: usually names.
    case SHORT_BINSTRING: push_text(Kind::kText, take_text(take<uint8_t>())); break;
    case BINSTRING: push_text(Kind::kText, take_text(take<uint32_t>())); break;
    case SHORT_BINUNICODE: push_text(Kind::kText, take_text(take<uint8_t>())); break;
    case BINUNICODE: push_text(Kind::kText, take_text(take<uint32_t>())); break;
    case BINUNICODE8: push_text(Kind::kText, take_text(take<uint64_t>())); break;
    case SHORT_BINBYTES: push_text(Kind::kBytes, take_text(take<uint8_t>())); break;
    case BINBYTES: push_text(Kind::kBytes, take_text(take<uint32_t>())); break;
    case BINBYTES8:
    case BYTEARRAY8: push_text(Kind::kBytes, take_text(take<uint64_t>())); break;
    default: return false;
  }
  return true;
}

/// Tuples, lists, sets and dicts.
bool Interpreter::step_container(uint8_t opcode) {
  switch (opcode) {
    case EMPTY_TUPLE: push_new(Kind::kTuple); break;
    case TUPLE1: push_tuple(1); break;
    case TUPLE2: push_tuple(2); break;
    case TUPLE3: push_tuple(3); break;
    case TUPLE: push_items(Kind::kTuple, pop_to_mark()); break;
    case EMPTY_LIST: push_new(Kind::kList); break;
    case LIST: push_items(Kind::kList, pop_to_mark()); break;
    case EMPTY_SET: push_new(Kind::kSet); break;
    case FROZENSET: push_items(Kind::kSet, pop_to_mark()); break;
    case EMPTY_DICT: push_new(Kind::kDict); break;
    case DICT: {
      const auto items = pop_to_mark();
      push_new(Kind::kDict);
      add_pairs(items);
      break;
    }
    case APPEND: {
      const PickleRef item = pop();
      add_elements({item});
      break;
    }
    case APPENDS:
    case ADDITEMS: add_elements(pop_to_mark()); break;
    case SETITEM: {
      const PickleRef item = pop();
      const PickleRef key = pop();
      add_pairs({key, item});
      break;
    }
    case SETITEMS: add_pairs(pop_to_mark()); break;
    default: return false;
  }
  return true;
}
// clang-format on

/// Names, and calls that are only recorded.
bool Interpreter::step_object(uint8_t opcode) {
  switch (opcode) {
    case GLOBAL: {
      const std::string_view module = take_line();
      push_global(module, take_line());
      break;
    }
    case STACK_GLOBAL: {
      const PickleRef name = pop(), module = pop();
      if (value(name).kind != Kind::kText || value(module).kind != Kind::kText)
        fail_damaged("a class's name is not text");
      push_global(value(module).text, value(name).text);
      break;
    }
    case BINPERSID: {
      const PickleRef id = pop();
      push_items(Kind::kPersistent, {id});
      break;
    }
    case REDUCE:
    case NEWOBJ:
      push_call(false);
      break;
    case NEWOBJ_EX:
      push_call(true);
      break;
    case OBJ: {
      auto items = pop_to_mark();
      if (items.empty()) fail_damaged("an object has no class");
      const PickleRef callee = items.front();
      items.erase(items.begin());
      push_call_with(callee, std::move(items));
      break;
    }
    case INST: {
      const std::string_view module = take_line(), name = take_line();
      auto items = pop_to_mark();
      push_global(module, name);
      push_call_with(pop(), std::move(items));
      break;
    }
    case BUILD: {
      const PickleRef state = pop();
      // On anything but a recorded call this could only set attributes, which nothing here reads.
      if (PickleValue& target = value(top()); target.kind == Kind::kObject) target.state = state;
      break;
    }
    default:
      return false;
  }
  return true;
}

/// A name from the file, shortened and in one line, whatever the file contains.
std::string printable(std::string_view name) {
  constexpr size_t kLongest = 80;
  std::string shown;
  for (const char c : name.substr(0, kLongest)) shown += static_cast<uint8_t>(c) < 32 || c == 127 ? '?' : c;
  return shown + (name.size() > kLongest ? "..." : "");
}

std::string full_name(const PickleValue& global) {
  return printable(global.module) + "." + printable(global.text);
}

}  // namespace

// clang-format off
std::string Pickle::describe(PickleRef ref) const {
  const PickleValue& value = values[ref];
  switch (value.kind) {
    case PickleKind::kNone: return "None";
    case PickleKind::kBool: return "a bool";
    case PickleKind::kInt:
    case PickleKind::kLargeInt: return "an int";
    case PickleKind::kFloat: return "a float";
    case PickleKind::kText: return "a str";
    case PickleKind::kBytes: return "bytes";
    case PickleKind::kTuple: return "a tuple";
    case PickleKind::kList: return "a list";
    case PickleKind::kSet: return "a set";
    case PickleKind::kDict: return "a dict";
    case PickleKind::kGlobal: return "the class or function " + full_name(value);
    case PickleKind::kPersistent: return "a storage";
    case PickleKind::kObject: break;
  }
  const PickleValue& callee = values[value.callee];
  if (callee.kind != PickleKind::kGlobal) return "what a nameless function makes";
  return "what " + full_name(callee) + " makes";
}
// clang-format on

Pickle read_pickle(Bytes bytes, const std::string& file, const std::string& record) {
  return Interpreter(std::move(bytes), file, record).run();
}

}  // namespace vitrim::checkpoint
