#include "dataset/prompt_list.h"

#include <gtest/gtest.h>

#include "checkpoint/files.h"
#include "core/error.h"
#include "dataset/csv.h"

namespace scalekv::dataset {
namespace {

class PromptFiles : public ::testing::Test {
 protected:
  // What reading `content` as a file of that name says.
  std::string why_not(std::string_view name, std::string_view content) {
    try {
      static_cast<void>(read_prompt_list(folder_.write(name, content)));
    } catch (const UsageError& error) {
      ADD_FAILURE() << "a damaged file is no usage error: " << error.what();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
      return error.what();
    }
    return "";
  }

  PromptList read(std::string_view name, std::string_view content) {
    return read_prompt_list(folder_.write(name, content));
  }

  checkpoint::TemporaryFolder folder_;
};

std::vector<std::string> texts(const PromptList& list) {
  std::vector<std::string> all;
  for (const Prompt& prompt : list.prompts) all.push_back(prompt.text);
  return all;
}

using Texts = std::vector<std::string>;

bool says(const std::string& sentence, std::string_view part) { return sentence.find(part) != std::string::npos; }

TEST_F(PromptFiles, PlainTextHoldsOneALine) {
  const PromptList list = read("a.txt",
                               "\xEF\xBB\xBF"
                               "a red ring\r\n\n  \n two \"green\" stars, {}\n\xE6\x98\x9F");
  EXPECT_EQ(list.layout, Layout::list);
  EXPECT_EQ(texts(list), (Texts{"a red ring", " two \"green\" stars, {}", "\xE6\x98\x9F"}));
  EXPECT_TRUE(says(why_not("a.txt", "one\ntwo\xff\n"), "line 2: the text is not valid UTF-8"));
  EXPECT_TRUE(says(why_not("a.txt", std::string("one\nt\0wo\n", 9)), "line 2: the prompt holds a NUL"));
  EXPECT_TRUE(says(why_not("a.txt", ""), "holds no prompts"));
  EXPECT_TRUE(says(why_not("a.txt", "\n \n"), "holds no prompts"));
  EXPECT_TRUE(says(why_not("a.txt", "x\n" + std::string(70000, 'a')), "line 2: the prompt has 70000 bytes"));
}

TEST_F(PromptFiles, JsonLinesNameAPromptOrACaption) {
  const PromptList list = read("a.jsonl", "{\"prompt\": \"a \\u2014 b\", \"tag\": \"x\"}\n\n{\"caption\":\"c\"}\n");
  EXPECT_EQ(list.layout, Layout::list);
  EXPECT_EQ(texts(list), (Texts{"a \xE2\x80\x94 b", "c"}));
  // Told by its content where the name says nothing.
  EXPECT_EQ(texts(read("b", "{\"prompt\": \"p\"}")), Texts{"p"});
  EXPECT_TRUE(says(why_not("a.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \n"), "line 2 is not valid JSON"));
  EXPECT_TRUE(says(why_not("a.jsonl", "{\"prompt\": \"a\"}\nplain\n"), "line 2 is not valid JSON"));
  EXPECT_TRUE(says(why_not("a.jsonl", "[\"a\"]\n"), "line 1: this is no JSON object"));
  EXPECT_TRUE(says(why_not("a.jsonl", "{\"prompt\": 7}\n"), "line 1: the JSON object has no text"));
  EXPECT_TRUE(says(why_not("a.jsonl", "{\"prompt\": \" \"}\n"), "line 1: the prompt is blank"));
  EXPECT_TRUE(says(why_not("a.jsonl", "{\"prompt\": \"a\", \"prompt\": \"b\"}\n"), "occurs twice"));
}

TEST_F(PromptFiles, GenEvalKeepsItsLines) {
  const std::string first =
      R"({"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a photo of a bench"})";
  const std::string second =
      R"({"tag": "counting", "include": [{"class": "cat", "count": 3}], "exclude": [], "prompt": "three cats"})";
  const PromptList list = read("evaluation_metadata.jsonl", first + "\n" + second + "\n");
  EXPECT_EQ(list.layout, Layout::geneval);
  EXPECT_EQ(texts(list), (Texts{"a photo of a bench", "three cats"}));
  EXPECT_EQ(list.prompts[1].metadata, second);
  EXPECT_TRUE(says(why_not("a.jsonl", first + "\n{\"prompt\": \"x\"}\n"), "line 2: GenEval's"));
}

TEST_F(PromptFiles, CsvFollowsRfc4180) {
  const PromptList list =
      read("a.csv", "id,prompt\r\n1,\"a \"\"red\"\" ring,\nabove\"\r\n\r\n2,plain\n3,\"\xE6\x98\x9F\"");
  EXPECT_EQ(list.layout, Layout::list);
  EXPECT_EQ(texts(list), (Texts{"a \"red\" ring,\nabove", "plain", "\xE6\x98\x9F"}));
  EXPECT_EQ(texts(read("b.csv", "caption\na\n")), Texts{"a"});
  EXPECT_TRUE(says(why_not("a.csv", "id,prompt\n1,\"a\nb\n"), "line 2: the quote that opens here is never closed"));
  EXPECT_TRUE(says(why_not("a.csv", "id,prompt\n1,a\n2,b\"c\n"), "line 3: a quote within a field"));
  EXPECT_TRUE(says(why_not("a.csv", "id,prompt\n1,\"a\"b\n"), "line 2: text follows a quoted field"));
  EXPECT_TRUE(says(why_not("a.csv", "id,prompt\n1,\"x\ny\"\n2,a,b\n"), "line 4: 3 fields instead of the 2"));
  EXPECT_TRUE(says(why_not("a.csv", "id,text\n1,a\n"), "line 1: no column is named prompt or caption"));
  EXPECT_TRUE(says(why_not("a.csv", "caption,prompt\n1,a\n"), "line 1: two columns"));
  EXPECT_TRUE(says(why_not("a.csv", "prompt\n"), "holds no prompts"));
  EXPECT_TRUE(says(why_not("a.csv", ""), "is empty"));
  EXPECT_TRUE(says(why_not("a.csv", "id,prompt\n1,\n"), "line 2: the prompt is blank"));
}

TEST_F(PromptFiles, CsvEdges) {
  EXPECT_EQ(parse_csv("a,,\"\"\n", "f")[0].fields, (Texts{"a", "", ""}));
  EXPECT_EQ(parse_csv(",", "f")[0].fields, (Texts{"", ""}));
  EXPECT_EQ(parse_csv("\"a\"\r\n\"b\"", "f").size(), 2U);
  EXPECT_EQ(parse_csv("a\rb\n", "f")[0].fields, Texts{"a\rb"});
  EXPECT_TRUE(parse_csv("\n\r\n", "f").empty());
}

TEST_F(PromptFiles, CocoGivesTheFirstCaptionOfEachImage) {
  // Images in another order than their ids, annotations in another order than the images; image 5 has no caption.
  const PromptList list = read("captions_val2017.json", R"({"info": {}, "licenses": [],
    "images": [{"id": 9, "file_name": "9.jpg"}, {"id": 2}, {"id": 5}, {"id": 7}],
    "annotations": [{"image_id": 7, "id": 30, "caption": "seven, first"}, {"image_id": 2, "id": 20, "caption": "two"},
                    {"image_id": 7, "id": 10, "caption": "seven, second"}, {"image_id": 9, "id": 5, "caption": "nine. "}]})");
  EXPECT_EQ(list.layout, Layout::coco);
  EXPECT_EQ(texts(list), (Texts{"nine. ", "two", "seven, first"}));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": []})"), "\"annotations\" is missing"));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [{"id": "x"}], "annotations": []})"), "image 0: \"id\""));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [{"id": 1}, {"id": 1}], "annotations": []})"), "image 1: its id"));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [{"id": 1}], "annotations": [{"image_id": 2, "caption": "x"}]})"),
                   "annotation 0: there is no image"));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [{"id": 1}], "annotations": [{"image_id": 1}]})"), "\"caption\""));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [{"id": 1}], "annotations": [1]})"), "annotation 0"));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [], "annotations": []})"), "holds no prompts"));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [{"id": 1)"), "is not valid JSON"));
  EXPECT_TRUE(says(why_not("c.json", "7"), "neither COCO captions nor a list"));
}

TEST_F(PromptFiles, ImageRewardHasIds) {
  const PromptList list =
      read("benchmark-prompts.json", R"([{"id": "005695-0057", "prompt": "a"}, {"id": "b", "prompt": "c"}])");
  EXPECT_EQ(list.layout, Layout::imagereward);
  EXPECT_EQ(list.prompts[0].id, "005695-0057");
  EXPECT_EQ(texts(list), (Texts{"a", "c"}));
  EXPECT_TRUE(
      says(why_not("i.json", R"([{"id": "a", "prompt": "x"}, {"id": "a", "prompt": "y"}])"), "entry 1: the id"));
  EXPECT_TRUE(says(why_not("i.json", R"([{"id": "../a", "prompt": "x"}])"), "cannot name a file"));
  EXPECT_TRUE(says(why_not("i.json", R"([{"id": "", "prompt": "x"}])"), "the id is empty"));
  EXPECT_TRUE(says(why_not("i.json", R"([{"prompt": "x"}])"), "entry 0: \"id\" is missing"));
  EXPECT_TRUE(says(why_not("i.json", R"([{"id": "a", "prompt": "x"}, "y"])"), "entry 1"));
}

TEST_F(PromptFiles, Hpsv2TakesTheStyleFromTheFilesName) {
  const PromptList one = read("concept-art.json", R"(["a", "b"])");
  EXPECT_EQ(one.layout, Layout::hpsv2);
  EXPECT_EQ(one.prompts[1].style, "concept-art");
  std::filesystem::create_directory(folder_ / "benchmark");
  folder_.write("benchmark/photo.json", R"(["c"])");
  folder_.write("benchmark/anime.json", R"(["a", "b"])");
  const PromptList all = read_prompt_list(folder_ / "benchmark");
  EXPECT_EQ(all.layout, Layout::hpsv2);
  EXPECT_EQ(texts(all), (Texts{"a", "b", "c"}));
  EXPECT_EQ(all.prompts[2].style, "photo");
  EXPECT_TRUE(says(why_not("h.json", R"(["a", 7])"), "entry 1: this is no text"));
  EXPECT_TRUE(says(why_not("h.json", "[]"), "holds no prompts"));
  EXPECT_TRUE(says(why_not("h.json", R"(["a", ["b"]])"), "entry 1: this is no text"));
}

TEST_F(PromptFiles, DpgIsAFolderOfTexts) {
  std::filesystem::create_directory(folder_ / "prompts");
  folder_.write("prompts/partiprompts10.txt", "ten\n");
  folder_.write("prompts/256.txt", "two hundred\nand more  \r\n");
  folder_.write("prompts/.hidden.txt", "no");
  const PromptList list = read_prompt_list(folder_ / "prompts");
  EXPECT_EQ(list.layout, Layout::dpg);
  EXPECT_EQ(texts(list), (Texts{"two hundred\nand more", "ten"}));
  EXPECT_EQ(list.prompts[0].id, "256");
  folder_.write("prompts/a.json", "[]");
  EXPECT_THROW(static_cast<void>(read_prompt_list(folder_ / "prompts")), Error);
  std::filesystem::create_directory(folder_ / "none");
  EXPECT_THROW(static_cast<void>(read_prompt_list(folder_ / "none")), Error);
  EXPECT_THROW(static_cast<void>(read_prompt_list(folder_ / "nowhere")), Error);
}

TEST_F(PromptFiles, ALayoutMayBeNamedWhereThePromptsHaveWhatItNeeds) {
  const auto coco =
      folder_.write("c.json", R"({"images": [{"id": 1}], "annotations": [{"image_id": 1, "caption": "x"}]})");
  EXPECT_EQ(read_prompt_list(coco, Layout::list).layout, Layout::list);
  EXPECT_EQ(read_prompt_list(coco, {}).layout, Layout::coco);
  for (const Layout layout : {Layout::geneval, Layout::dpg, Layout::hpsv2, Layout::imagereward}) {
    EXPECT_THROW(static_cast<void>(read_prompt_list(coco, layout)), UsageError) << layout_name(layout);
    EXPECT_EQ(parse_layout(layout_name(layout)), layout);
  }
  EXPECT_THROW(static_cast<void>(parse_layout("magic")), UsageError);
}

TEST_F(PromptFiles, DeepJsonIsRefused) {
  EXPECT_NE(why_not("d.json", std::string(100000, '[')), "");
  EXPECT_NE(why_not("d.jsonl", std::string(100000, '{')), "");
}

}  // namespace
}  // namespace scalekv::dataset
