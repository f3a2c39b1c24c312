#include "formats/pickle_machine.h"

#include <unordered_map>

#include "formats/torch_objects.h"

namespace scalekv::formats {
namespace {

using Kind = PickledValue::Kind;

// The largest published model takes some 50,000, its training state three times as many; the rest is for what people
// keep beside it, such as the order of their data.
constexpr std::int64_t kMaxOpcodes = 4'000'000;

constexpr std::size_t kMaxGlobalName = 1024;  // bytes, so that to name it often takes no time

// Runs the opcodes. Values live in `all`; the stack and the memo hold their numbers.
class PickleMachine {
 public:
  PickleMachine(ByteReader& reader, PickledValues& all) : reader_(reader), where_(reader.where()), all_(all) {}

  ValueId run() {
    for (std::int64_t count = 0; count < kMaxOpcodes; ++count) {
      const auto opcode = reader_.number<unsigned char>();
      if (opcode == '.') return pop();
      if (std::optional<PickledValue> value = read_scalar(opcode, reader_)) {
        push(std::move(*value));
      } else if (!structure(opcode) && !container(opcode) && !global(opcode) && !object(opcode)) {
        fail("{} has 0x{:02x} at byte {}, which is no opcode of a pickle; it is refused, for the file is damaged",
             where_, opcode, reader_.position() - 1);
      }
    }
    fail("{} has more than {} opcodes, which no published model has; it is refused", where_, kMaxOpcodes);
  }

 private:
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
  PickledValue& top() {
    const ValueId id = pop();
    stack_.push_back(id);
    return all_.values[id];
  }

  // The container at the top that items are added to. An object of an unknown class becomes one: a subclass of
  // Python's own, such as defaultdict.
  PickledValue& top(Kind kind, std::string_view what) {
    PickledValue& value = top();
    if (value.kind == Kind::object) value.kind = kind;
    if (value.kind != kind)
      fail("{} adds to something that is no {}, at byte {}; it is damaged", where_, what, reader_.position());
    return value;
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
        if (version > 5) fail("{} is of pickle protocol {}, expected at most 5", where_, version);
        return true;
      }
      case 0x95:
        reader_.take(8);
        return true;  // FRAME
      case '(':
        marks_.push_back(stack_.size());
        return true;  // MARK
      case 0x98:
        top();
        return true;  // READONLY_BUFFER
      case '2': {
        const ValueId id = pop();
        stack_.insert(stack_.end(), {id, id});
        return true;  // DUP
      }
      case '0':
        pop();
        return true;  // POP
      case '1':
        pop_to_mark();
        return true;  // POP_MARK
      default:
        return memo(opcode);
    }
  }

  bool memo(unsigned char opcode) {
    switch (opcode) {
      case 'q':
        put(reader_.number<std::uint8_t>());
        return true;  // BINPUT
      case 'r':
        put(reader_.number<std::uint32_t>());
        return true;  // LONG_BINPUT
      case 'p':
        put(slot());
        return true;  // PUT
      case 0x94:
        put(static_cast<std::uint32_t>(memo_.size()));
        return true;  // MEMOIZE
      case 'h':
        get(reader_.number<std::uint8_t>());
        return true;  // BINGET
      case 'j':
        get(reader_.number<std::uint32_t>());
        return true;  // LONG_BINGET
      case 'g':
        get(slot());
        return true;  // GET
      default:
        return false;
    }
  }

  // The number of a memo's slot as the first protocol writes it.
  std::uint32_t slot() {
    const std::optional<PickledValue> number = read_scalar('I', reader_);
    if (number->kind != Kind::integer || number->number < 0 || number->number > std::int64_t{0xffffffff})
      fail("{} keeps a value under something that is no number; it is damaged", where_);
    return static_cast<std::uint32_t>(number->number);
  }

  bool container(unsigned char opcode) {
    switch (opcode) {
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
      case 0x86:
      case 0x87:
        tuple(opcode - 0x84U);
        return true;  // TUPLE1, TUPLE2, TUPLE3
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
      case 0x90:
        pop_to_mark();
        if (top().kind != Kind::object) fail("{} adds to something that is no set; it is damaged", where_);
        return true;  // ADDITEMS
      case 0x91:
        pop_to_mark();
        push({.kind = Kind::object, .text = "builtins", .member = "frozenset"});
        return true;  // FROZENSET
      default:
        return false;
    }
  }

  bool global(unsigned char opcode) {
    switch (opcode) {
      case 'c': {
        const std::string_view module = reader_.line();
        name_global(module, reader_.line());
        return true;  // GLOBAL
      }
      case 0x93: {
        const ValueId name = pop();
        const ValueId module = pop();
        if (all_.values[module].kind != Kind::text || all_.values[name].kind != Kind::text) {
          fail("{} names a global by something that is no text; it is damaged", where_);
        }
        name_global(all_.values[module].text, all_.values[name].text);
        return true;  // STACK_GLOBAL
      }
      case 0x82:
        extension(sizeof(std::uint8_t));
        return true;  // EXT1
      case 0x83:
        extension(sizeof(std::uint16_t));
        return true;  // EXT2
      case 0x84:
        extension(sizeof(std::uint32_t));
        return true;  // EXT4
      default:
        return false;
    }
  }

  bool object(unsigned char opcode) {
    switch (opcode) {
      case 'R': {
        const ValueId arguments = pop();
        push(call_global(all_, pop(), arguments, where_));
        return true;  // REDUCE
      }
      case 0x81:
        pop();
        instance(pop());
        return true;  // NEWOBJ
      case 0x92:
        pop();
        pop();
        instance(pop());
        return true;  // NEWOBJ_EX
      case 'o': {
        const std::vector<ValueId> items = pop_to_mark();
        if (items.empty())
          fail("{} makes an object of no class, at byte {}; it is damaged", where_, reader_.position());
        instance(items.front());
        return true;  // OBJ
      }
      case 'i': {
        const std::string_view module = reader_.line();
        name_global(module, reader_.line());
        const ValueId type = pop();
        pop_to_mark();
        instance(type);
        return true;  // INST
      }
      case 'b':
        build();
        return true;  // BUILD
      case 'Q':
        push(make_storage(all_, pop(), where_));
        return true;  // BINPERSID
      case 'P':
        reader_.line();
        push({.kind = Kind::object, .text = "persistent id"});
        return true;  // PERSID
      default:
        return false;
    }
  }

  void name_global(std::string_view module, std::string_view name) {
    if (module.size() + name.size() > kMaxGlobalName) {
      fail("{} names a global by {} bytes, expected at most {}; it is refused", where_, module.size() + name.size(),
           kMaxGlobalName);
    }
    refuse_harmful_global(module, name, where_);
    push({.kind = Kind::global, .text = module, .member = name});
  }

  // A global by its number in a registry that only the writer had.
  void extension(std::size_t bytes) {
    reader_.take(bytes);
    push({.kind = Kind::global, .text = "copyreg", .member = "extension"});
  }

  void instance(ValueId type) { push(make_object(all_, type, where_)); }

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

  // Attributes of an object: they do not matter here.
  void build() {
    pop();
    const PickledValue& object = top();
    if (object.kind == Kind::global) fail("{} sets attributes of {}; it is refused", where_, global_name(object));
    const bool plain = object.text.empty() || object.kind == Kind::text;  // a list, say, but no subclass of it
    if (plain && object.kind != Kind::dict && object.kind != Kind::tensor && object.kind != Kind::unreadable) {
      fail("{} sets attributes of something that has none; it is refused, for the file is damaged", where_);
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

}  // namespace scalekv::formats
