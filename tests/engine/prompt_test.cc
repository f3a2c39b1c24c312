#include "engine/text_room.h"

#include <gtest/gtest.h>

namespace scalekv::engine {
namespace {

const std::string kFaces = ". very smooth faces, good looking faces, face to the camera, perfect facial features";

// The words are sought as the reference does: with their case, and inside of other words, too.
TEST(FacePrompt, IsAppendedWhereAPersonIsNamed) {
  for (const std::string prompt : {"a man", "two women", "my grandmother", "a romantic evening", "a sonnet"}) {
    EXPECT_EQ(with_face_prompt(prompt), prompt + kFaces);
  }
}

TEST(FacePrompt, IsAppendedOnceHoweverManyArePersons) {
  EXPECT_EQ(with_face_prompt("a woman, a boy and a girl"), "a woman, a boy and a girl" + kFaces);
}

TEST(FacePrompt, OtherPromptsStayAsTheyAre) {
  for (const std::string prompt : {"a red circle", "a cat", "A MAN", ""}) EXPECT_EQ(with_face_prompt(prompt), prompt);
}

}  // namespace
}  // namespace scalekv::engine
