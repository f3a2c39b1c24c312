#include "checkpoint/pickle_machine.h"

#include <array>
#include <unordered_map>

#include "checkpoint/strict_json.h"
#include "checkpoint/torch_objects.h"

namespace scalekv::checkpoint {
namespace {

using Kind = PickledValue::Kind;

constexpr std::int64_t kMaxOpcodes = 1'000'000;  // the largest published model takes some 50,000

struct NamedOpcode {
  unsigned char code;
  std::string_view name;
};

// Opcodes that PyTorch's files do not need; a name makes a better message than a number.
constexpr std::array kRefused = {
    NamedOpcode{'i', "INST"},        NamedOpcode{'o', "OBJ"},          NamedOpcode{0x81, "NEWOBJ"},
    NamedOpcode{0x92, "NEWOBJ_EX"},  NamedOpcode{'P', "PERSID"},       NamedOpcode{0x82, "EXT1"},
    NamedOpcode{0x83, "EXT2"},       NamedOpcode{0x84, "EXT4"},        NamedOpcode{'2', "DUP"},
    NamedOpcode{'I', "INT"},         NamedOpcode{'L', "LONG"},         NamedOpcode{'F', "FLOAT"},
    NamedOpcode{'S', "STRING"},      NamedOpcode{'V', "UNICODE"},      NamedOpcode{'g', "GET"},
    NamedOpcode{'p', "PUT"},         NamedOpcode{0x8b, "LONG4"},       NamedOpcode{0x8e, "BINBYTES8"},
    NamedOpcode{0x8f, "EMPTY_SET"},  NamedOpcode{0x90, "ADDITEMS"},    NamedOpcode{0x91, "FROZENSET"},
    NamedOpcode{0x96, "BYTEARRAY8"}, NamedOpcode{0x97, "NEXT_BUFFER"}, NamedOpcode{0x98, "READONLY_BUFFER"},
};

// Runs the opcodes. Values live in `all`; the stack and the memo hold their numbers.
class PickleMachine {
 public:
  PickleMachine(ByteReader& reader, PickledValues& all) : reader_(reader), where_(reader.where()), all_(all) {}

  ValueId run() {
    for (std::int64_t count = 0; count < kMaxOpcodes; ++count) {
      const auto opcode = reader_.number<unsigned char>();
      if (opcode == '.') return pop();
      if (!structure(opcode) && !scalar(opcode) && !container(opcode) && !object(opcode)) refuse(opcode);
    }
    fail("{} has more than {} opcodes, which no published model has; it is refused", where_, kMaxOpcodes);
  }

 private:
  [[noreturn]] void refuse(unsigned char opcode) const {
    std::string_view name = "of no known name";
    for (const NamedOpcode& refused : kRefused) {
      if (refused.code == opcode) name = refused.name;
    }
    fail(
        "{} has opcode 0x{:02x} ({}) at byte {}, which a file of tensors does not need; it is refused, and nothing "
        "was executed",
        where_, opcode, name, reader_.position() - 1);
  }

  ValueId push(PickledValue value) {
    all_.values.push_back(std::move(value));
    stack_.push_back(static_cast<ValueId>(all_.values.size() - 1));
    return stack_.back();
  }

  ValueId pop() {
    const std::size_t floor = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() <= floor)
      fail("{} takes more values than there are, at byte {}; it is damaged", where_, reader_.position());
    const ValueId id = stack_.back();
    stack_.pop_back();
    return id;
  }

  // The value at the top, which stays.
  PickledValue& top(Kind kind, std::string_view what) {
    const ValueId id = pop();
    stack_.push_back(id);
    if (all_.values[id].kind != kind)
      fail("{} adds to something that is no {}, at byte {}; it is damaged", where_, what, reader_.position());
    return all_.values[id];
  }

  // Everything above the last mark.
  std::vector<ValueId> pop_to_mark() {
    if (marks_.empty()) fail("{} lacks a mark at byte {}; it is damaged", where_, reader_.position());
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<ValueId> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  void put(std::uint32_t slot) {
    const ValueId id = pop();
    stack_.push_back(id);
    memo_[slot] = id;
  }

  void get(std::uint32_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) fail("{} recalls value {}, which was never kept; it is damaged", where_, slot);
    stack_.push_back(found->second);
  }

  bool structure(unsigned char opcode) {
    switch (opcode) {
      case 0x80: {  // PROTO
        const auto version = reader_.number<unsigned char>();
        if (version < 2 || version > 5) fail("{} is of pickle protocol {}, expected 2 to 5", where_, version);
        return true;
      }
      case 0x95:
        reader_.take(8);
        return true;  // FRAME
      case '(':
        marks_.push_back(stack_.size());
        return true;  // MARK
      case '0':
        pop();
        return true;  // POP
      case '1':
        pop_to_mark();
        return true;  // POP_MARK
      case 'q':
        put(reader_.number<std::uint8_t>());
        return true;  // BINPUT
      case 'r':
        put(reader_.number<std::uint32_t>());
        return true;  // LONG_BINPUT
      case 0x94:
        put(static_cast<std::uint32_t>(memo_.size()));
        return true;  // MEMOIZE
      case 'h':
        get(reader_.number<std::uint8_t>());
        return true;  // BINGET
      case 'j':
        get(reader_.number<std::uint32_t>());
        return true;  // LONG_BINGET
      default:
        return false;
    }
  }

  bool scalar(unsigned char opcode) {
    switch (opcode) {
      case 'N':
        push({});
        return true;  // NONE
      case 0x88:
        push({.kind = Kind::integer, .number = 1});
        return true;  // NEWTRUE
      case 0x89:
        push({.kind = Kind::integer, .number = 0});
        return true;  // NEWFALSE
      case 'J':
        integer(reader_.number<std::int32_t>());
        return true;  // BININT
      case 'K':
        integer(reader_.number<std::uint8_t>());
        return true;  // BININT1
      case 'M':
        integer(reader_.number<std::uint16_t>());
        return true;  // BININT2
      case 0x8a:
        long_integer(reader_.take(reader_.number<std::uint8_t>()));
        return true;  // LONG1
      case 'G':
        reader_.take(8);
        push({});
        return true;  // BINFLOAT
      case 'X':
        text(reader_.take(reader_.number<std::uint32_t>()));
        return true;  // BINUNICODE
      case 0x8c:
        text(reader_.take(reader_.number<std::uint8_t>()));
        return true;  // SHORT_BINUNICODE
      case 0x8d:
        text(reader_.take(reader_.number<std::uint64_t>()));
        return true;  // BINUNICODE8
      case 'U':
        text(reader_.take(reader_.number<std::uint8_t>()));
        return true;  // SHORT_BINSTRING
      case 'T':
        text(reader_.take(reader_.number<std::uint32_t>()));
        return true;  // BINSTRING
      case 'B':
        reader_.take(reader_.number<std::uint32_t>());
        push({});
        return true;  // BINBYTES
      case 'C':
        reader_.take(reader_.number<std::uint8_t>());
        push({});
        return true;  // SHORT_BINBYTES
      default:
        return false;
    }
  }

  bool container(unsigned char opcode) {
    switch (opcode) {
      case ']':
        push({.kind = Kind::list});
        return true;  // EMPTY_LIST
      case '}':
        push({.kind = Kind::dict});
        return true;  // EMPTY_DICT
      case ')':
        push({.kind = Kind::tuple});
        return true;  // EMPTY_TUPLE
      case 'l':
        push({.kind = Kind::list, .items = pop_to_mark()});
        return true;  // LIST
      case 't':
        push({.kind = Kind::tuple, .items = pop_to_mark()});
        return true;  // TUPLE
      case 'd':
        make_dict();
        return true;  // DICT
      case 0x85:
        tuple(1);
        return true;  // TUPLE1
      case 0x86:
        tuple(2);
        return true;  // TUPLE2
      case 0x87:
        tuple(3);
        return true;  // TUPLE3
      case 'a':
        append({pop()});
        return true;  // APPEND
      case 'e':
        append(pop_to_mark());
        return true;  // APPENDS
      case 's':
        set_item();
        return true;  // SETITEM
      case 'u':
        set_items(pop_to_mark());
        return true;  // SETITEMS
      default:
        return false;
    }
  }

  bool object(unsigned char opcode) {
    switch (opcode) {
      case 'c': {  // GLOBAL
        const std::string_view module = reader_.line();
        global(module, reader_.line());
        return true;
      }
      case 0x93: {  // STACK_GLOBAL
        const ValueId name = pop();
        const ValueId module = pop();
        if (all_.values[module].kind != Kind::text || all_.values[name].kind != Kind::text) {
          fail("{} names a global by something that is no text; it is damaged", where_);
        }
        global(all_.values[module].text, all_.values[name].text);
        return true;
      }
      case 'R': {  // REDUCE
        const ValueId arguments = pop();
        const ValueId function = pop();
        push(call_torch(all_, function, arguments, where_));
        return true;
      }
      case 'b':
        build();
        return true;  // BUILD
      case 'Q':
        push(make_storage(all_, pop(), where_));
        return true;  // BINPERSID
      default:
        return false;
    }
  }

  void integer(std::int64_t value) { push({.kind = Kind::integer, .number = value}); }

  // Little-endian two's complement; more than 64 bits matter to nothing that is read here.
  void long_integer(std::string_view bytes) {
    if (bytes.size() > sizeof(std::int64_t)) {
      push({});
      return;
    }
    std::uint64_t value =
        !bytes.empty() && (static_cast<unsigned char>(bytes.back()) & 0x80U) != 0 ? ~std::uint64_t{0} : 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    integer(static_cast<std::int64_t>(value));
  }

  void text(std::string_view value) { push({.kind = Kind::text, .text = value}); }

  void global(std::string_view module, std::string_view name) {
    push({.kind = Kind::global, .text = module, .member = name});
  }

  void tuple(std::size_t size) {
    std::vector<ValueId> items(size);
    for (std::size_t i = size; i-- > 0;) items[i] = pop();
    push({.kind = Kind::tuple, .items = std::move(items)});
  }

  void append(const std::vector<ValueId>& items) {
    std::vector<ValueId>& list = top(Kind::list, "list").items;
    list.insert(list.end(), items.begin(), items.end());
  }

  void make_dict() {
    std::vector<ValueId> items = pop_to_mark();
    push({.kind = Kind::dict});
    set_items(items);
  }

  void set_item() {
    const ValueId value = pop();
    const ValueId key = pop();
    set_items({key, value});
  }

  void set_items(const std::vector<ValueId>& items) {
    if (items.size() % 2 != 0)
      fail("{} sets a name without a value, at byte {}; it is damaged", where_, reader_.position());
    std::vector<ValueId>& dict = top(Kind::dict, "dictionary").items;
    dict.insert(dict.end(), items.begin(), items.end());
  }

  // Attributes of an object: those of dictionaries and tensors (_metadata, hooks) do not matter here.
  void build() {
    pop();
    const ValueId id = pop();
    stack_.push_back(id);
    const PickledValue& object = all_.values[id];
    if (object.kind == Kind::global) fail("{} sets attributes of {}; it is refused", where_, global_name(object));
    if (object.kind != Kind::dict && object.kind != Kind::tensor) {
      fail("{} sets attributes of something that is neither a dictionary nor a tensor; it is refused", where_);
    }
  }

  ByteReader& reader_;
  const std::string& where_;
  PickledValues& all_;
  std::vector<ValueId> stack_;
  std::vector<std::size_t> marks_;  // sizes of the stack
  std::unordered_map<std::uint32_t, ValueId> memo_;
};

}  // namespace

ValueId run_pickle(ByteReader& reader, PickledValues& all) { return PickleMachine(reader, all).run(); }

}  // namespace scalekv::checkpoint
