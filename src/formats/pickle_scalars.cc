#include "formats/pickle_machine.h"

#include <bit>
#include <charconv>

namespace scalekv::formats {
namespace {

using Kind = PickledValue::Kind;

PickledValue make_integer(std::int64_t value) { return {.kind = Kind::integer, .number = value}; }

PickledValue make_real(double value) { return {.kind = Kind::real, .number = std::bit_cast<std::int64_t>(value)}; }

PickledValue make_text(std::string_view value) { return {.kind = Kind::text, .text = value}; }

// Bytes and other things that exist but do not matter.
PickledValue make_opaque(std::string_view /*passed over*/) { return {}; }

// Little-endian two's complement; more than 64 bits matter to nothing that is read here.
PickledValue long_integer(std::string_view bytes) {
  if (bytes.size() > sizeof(std::int64_t)) return {};
  std::uint64_t value =
      !bytes.empty() && (static_cast<unsigned char>(bytes.back()) & 0x80U) != 0 ? ~std::uint64_t{0} : 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  return make_integer(static_cast<std::int64_t>(value));
}

// Big-endian, unlike all else.
PickledValue binary_real(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8U | static_cast<unsigned char>(byte);
  return make_real(std::bit_cast<double>(value));
}

// "17", or "17L" as Python 2 wrote it.
PickledValue written_integer(std::string_view line, const ByteReader& reader) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error == std::errc::result_out_of_range) return {};
  const std::string_view rest = line.substr(static_cast<std::size_t>(end - line.data()));
  if (error != std::errc() || (!rest.empty() && rest != "L")) {
    fail("{} has no whole number before byte {}, where one is announced; it is damaged", reader.where(),
         reader.position());
  }
  return make_integer(value);
}

PickledValue written_real(std::string_view line, const ByteReader& reader) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error == std::errc::result_out_of_range) return {};
  if (error != std::errc() || end != line.data() + line.size()) {
    fail("{} has no number before byte {}, where one is announced; it is damaged", reader.where(), reader.position());
  }
  return make_real(value);
}

// A text in quotes; escapes in it stay as they are.
PickledValue quoted_text(std::string_view line, const ByteReader& reader) {
  if (line.size() < 2 || line.front() != line.back() || (line.front() != '\'' && line.front() != '"')) {
    fail("{} has no text in quotes before byte {}; it is damaged", reader.where(), reader.position());
  }
  return make_text(line.substr(1, line.size() - 2));
}

// Numbers and texts as the first protocol writes them, a line each.
std::optional<PickledValue> read_line_scalar(unsigned char opcode, ByteReader& reader) {
  switch (opcode) {
    case 'I':  // INT; also booleans, "01" and "00"
    case 'L':  // LONG
      return written_integer(reader.line(), reader);
    case 'F':  // FLOAT
      return written_real(reader.line(), reader);
    case 'S':  // STRING
      return quoted_text(reader.line(), reader);
    case 'V':  // UNICODE
      return make_text(reader.line());
    default:
      return {};
  }
}

}  // namespace

std::optional<PickledValue> read_scalar(unsigned char opcode, ByteReader& reader) {
  switch (opcode) {
    case 'N':   // NONE
    case 0x97:  // NEXT_BUFFER, which lies outside of the file
      return PickledValue{};
    case 0x88:  // NEWTRUE
      return make_integer(1);
    case 0x89:  // NEWFALSE
      return make_integer(0);
    case 'J':  // BININT
      return make_integer(reader.number<std::int32_t>());
    case 'K':  // BININT1
      return make_integer(reader.number<std::uint8_t>());
    case 'M':  // BININT2
      return make_integer(reader.number<std::uint16_t>());
    case 0x8a:  // LONG1
      return long_integer(reader.take(reader.number<std::uint8_t>()));
    case 0x8b:  // LONG4; a negative length is longer than any file
      return long_integer(reader.take(static_cast<std::uint64_t>(std::int64_t{reader.number<std::int32_t>()})));
    case 'G':  // BINFLOAT
      return binary_real(reader.take(sizeof(double)));
    case 'X':  // BINUNICODE
    case 'T':  // BINSTRING
      return make_text(reader.take(reader.number<std::uint32_t>()));
    case 0x8c:  // SHORT_BINUNICODE
    case 'U':   // SHORT_BINSTRING
      return make_text(reader.take(reader.number<std::uint8_t>()));
    case 0x8d:  // BINUNICODE8
      return make_text(reader.take(reader.number<std::uint64_t>()));
    case 'B':  // BINBYTES
      return make_opaque(reader.take(reader.number<std::uint32_t>()));
    case 'C':  // SHORT_BINBYTES
      return make_opaque(reader.take(reader.number<std::uint8_t>()));
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      return make_opaque(reader.take(reader.number<std::uint64_t>()));
    case ']':  // EMPTY_LIST
      return PickledValue{.kind = Kind::list};
    case '}':  // EMPTY_DICT
      return PickledValue{.kind = Kind::dict};
    case ')':  // EMPTY_TUPLE
      return PickledValue{.kind = Kind::tuple};
    case 0x8f:  // EMPTY_SET
      return PickledValue{.kind = Kind::object, .text = "builtins", .member = "set"};
    default:
      return read_line_scalar(opcode, reader);
  }
}

}  // namespace scalekv::formats
