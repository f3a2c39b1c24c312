#include "dataset/prompt_list.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "dataset/readers.h"
#include "formats/files.h"

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

  formats::TemporaryFolder folder_;
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
  EXPECT_EQ(texts(list), (Texts{"a red ring", "two \"green\" stars, {}", "\xE6\x98\x9F"}));
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
  EXPECT_TRUE(
      says(why_not("a.csv", "id,title\n1,a\n"),
           "line 1: no column is named prompt, prompts, caption, captions or text; found: \"id\", \"title\"; name"));
  EXPECT_TRUE(says(why_not("a.csv", "prompt,Prompt\n1,a\n"), "line 1: two columns are named Prompt; leave one"));
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
  EXPECT_EQ(texts(list), (Texts{"nine.", "two", "seven, first"}));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": []})"), "\"annotations\" is missing"));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [{"id": null}], "annotations": []})"), "image 0: \"id\" is"));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [{"id": 1}, {"id": 1}], "annotations": []})"), "image 1: its id"));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [{"id": 1}], "annotations": [{"image_id": 1, "bbox": []}]})"),
                   "annotation 0: the JSON object has no text named prompt, prompts, caption, captions or text; "
                   "found: \"image_id\", \"bbox\""));
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
  EXPECT_TRUE(
      says(why_not("i.json", R"([{"id": "a", "prompt": "x"}, {"prompt": "y"}])"), "entry 1: \"id\" is missing"));
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

// Spaces that are no spaces in ASCII, and no spaces at all, around a prompt and alone on a line.
TEST_F(PromptFiles, OddWhiteSpaceIsNoPartOfAPrompt) {
  const std::string nbsp = "\xC2\xA0", zero = "\xE2\x80\x8B", mark = "\xEF\xBB\xBF", wide = "\xE3\x80\x80";
  const std::string odd = "\t" + nbsp + zero + " " + mark + wide + zero;
  EXPECT_EQ(texts(read("a.txt", odd + "a" + nbsp + "ring" + odd + "\n" + odd + "\n \t\v\f \n\nb\r\r\nc")),
            (Texts{"a" + nbsp + "ring", "b", "c"}));
  EXPECT_EQ(texts(read("a.txt", "one\rtwo\r\rthree")), (Texts{"one", "two", "three"}));  // as old Macs end lines
  EXPECT_EQ(texts(read("a.csv", "prompt\rone\rtwo\r")), (Texts{"one", "two"}));
  EXPECT_EQ(texts(read("a.csv",
                       odd + "Prompt" + odd + "," + nbsp + "\n" + odd + "one" + odd + ",\n ," + nbsp + "\n,\ntwo,x")),
            (Texts{"one", "two"}));
  EXPECT_EQ(texts(read("a.json", "[\"\\t" + odd.substr(1) + "one" + odd.substr(1) + "\\n\"]")), Texts{"one"});
  EXPECT_EQ(texts(read("a.jsonl", odd + "\n{\"prompt\": \" one \"}\n" + odd)), Texts{"one"});
  EXPECT_TRUE(says(why_not("a.txt", odd + "\n"), "holds no prompts"));
  EXPECT_TRUE(says(why_not("a.json", "[\"" + odd.substr(1) + "\"]"), "entry 0: the prompt is blank"));
}

TEST_F(PromptFiles, OtherEncodingsAreNamed) {
  EXPECT_TRUE(says(why_not("a.txt", std::string("\xFF\xFE"
                                                "a\0\n\0",
                                                6)),
                   "UTF-16"));
  EXPECT_TRUE(says(why_not("a.csv", std::string("\xFE\xFF\0a\0\n", 6)), "save the file as UTF-8"));
  EXPECT_TRUE(says(why_not("a.json", std::string("\xFF\xFE[\0]\0", 6)), "UTF-16"));
  EXPECT_TRUE(says(why_not("a.txt", "one\nd\xE9j\xE0 vu\n"), "line 2: the text is not valid UTF-8"));  // Latin-1
}

// A table is told by its header, whatever stands between its columns and whatever the file is called.
TEST_F(PromptFiles, ColumnsAreFoundByNameInAnyCase) {
  const Texts both = {"a red ring", "two stars"};
  for (const char* name : {"a.csv", "a.tsv", "a.txt", "a.CSV", "a.TSV", "list"}) {
    for (const char* column : {"prompt", "Prompt", "PROMPTS", "caption", "Captions", "Text"}) {
      for (const char* mark : {"\t", ";", ","}) {
        const std::string content = std::string("id") + mark + column + mark + "Category\r\n1" + mark + "a red ring" +
                                    mark + "x\r\n2" + mark + "two stars" + mark + "\r\n";
        EXPECT_EQ(texts(read(name, content)), both) << name << ": " << content;
      }
    }
  }
  // Of several, the first of: prompt, prompts, caption, captions, text.
  EXPECT_EQ(texts(read("a.csv", "text,caption,Prompt\nno,no,yes\n")), Texts{"yes"});
  EXPECT_EQ(texts(read("a.csv", "text,Captions\nno,yes\n")), Texts{"yes"});
  EXPECT_EQ(texts(read("a.csv", "sep=;\r\nid;prompt\r\n1;a, b\r\n")), Texts{"a, b"});
  EXPECT_EQ(texts(read("a.csv", "\"id\";\"Prompt\"\n1;\"a; \"\"b\"\"\nc\"\n")), Texts{"a; \"b\"\nc"});
  EXPECT_EQ(texts(read("a.csv", "id, prompt\n1, \"a, b\" \n2, c\n")), (Texts{"a, b", "c"}));
  EXPECT_EQ(texts(read("a.csv", "prompt,note\na,,\nb,\"\",,\n")), (Texts{"a", "b"}));  // empty fields too many
  EXPECT_TRUE(says(why_not("a.csv", "prompt;note\na;b;c\n"),
                   "line 2: 3 fields instead of the 2 of the first line; quote fields that hold semicolons"));
  EXPECT_TRUE(says(why_not("a.csv", "sep=;\nid;prompt\n1;a\n2\n"), "line 4: 1 fields instead of the 2"));
  EXPECT_TRUE(says(why_not("a.csv", "id;title\n1;a\n"), "found: \"id\", \"title\""));
  EXPECT_TRUE(says(why_not("a.tsv", "id\ttitle\n1\ta\n"), "found: \"id\", \"title\""));
  EXPECT_TRUE(says(why_not("a.csv", "prompt;note\n"), "holds no prompts"));
  EXPECT_TRUE(says(why_not("a.tsv", "Prompt\n"), "holds no prompts"));
}

// As PartiPrompts has them: quotes that mean nothing, notes that are missing, spaces before a prompt.
TEST_F(PromptFiles, TabsNeedNoQuotes) {
  const PromptList list =
      read("PartiPrompts.tsv",
           "Prompt\tCategory\tNote\n a sloth, or two\tAnimals\t\n\"Deep\" on a wall\tArts\na 5\" disk\tArts\tx\n"
           "\"a\ttab, \"\"quoted\"\"\"\tArts\t\n\"unclosed\tArts\t\n");
  EXPECT_EQ(list.layout, Layout::list);
  EXPECT_EQ(texts(list),
            (Texts{"a sloth, or two", "\"Deep\" on a wall", "a 5\" disk", "a\ttab, \"quoted\"", "\"unclosed"}));
  // One quote out of place, and those of the whole row are text.
  EXPECT_EQ(texts(read("a.tsv", "prompt\tnote\n\"two\"\t5\" disk\n\"three\"\tx\n")), (Texts{"\"two\"", "three"}));
  EXPECT_TRUE(says(why_not("a.tsv", "id\tprompt\n1\ta\n2\n"), "line 3: 1 fields instead of the 2"));
  EXPECT_TRUE(says(why_not("a.tsv", "prompt\tnote\na\tb\tc\n"), "quote fields that hold tabs"));
}

TEST_F(PromptFiles, PlainListsAreNoTables) {
  EXPECT_EQ(texts(read("a.csv", "a red ring\n\"two, three stars\"\n")), (Texts{"a red ring", "two, three stars"}));
  EXPECT_TRUE(says(why_not("a.csv", "title\na\n"), "no column is named"));
  EXPECT_EQ(texts(read("a.tsv", "bond\n\"two\" stars\n")), (Texts{"bond", "\"two\" stars"}));
  EXPECT_EQ(texts(read("a.txt", "text, bold\na; prompt\n")), (Texts{"text, bold", "a; prompt"}));
  EXPECT_EQ(texts(read("a.txt", "prompt\na\n")), (Texts{"prompt", "a"}));
  EXPECT_EQ(texts(read("a.txt", "[a] ring\n")), Texts{"[a] ring"});
}

TEST_F(PromptFiles, JsonObjectsGivePromptsById) {
  // In the order of the file, not of the ids.
  const PromptList list = read("meta_data.json", R"({"b9": "one", "a/..": {"category": "x", "Prompt": "two"},
    "10": {"caption": ["three", "no"]}, "9": "four"})");
  EXPECT_EQ(list.layout, Layout::list);
  EXPECT_EQ(texts(list), (Texts{"one", "two", "three", "four"}));
  EXPECT_EQ(list.prompts[0].id, "b9");
  EXPECT_EQ(list.prompts[1].id, "");  // names no file
  EXPECT_EQ(texts(read("a.json", R"({"version": 2, "prompts": ["one", {"text": "two"}]})")), (Texts{"one", "two"}));
  EXPECT_EQ(texts(read("a.json",
                       R"({"Category": {"0": "x"}, "Prompt": {"0": "zero", "1": "one", "10": "ten", "2": "two"}})")),
            (Texts{"zero", "one", "ten", "two"}));
  EXPECT_EQ(texts(read("a.json", R"({"prompt": "one", "negative_prompt": "no"})")), Texts{"one"});
  EXPECT_EQ(texts(read("a.JSON", R"([{"Caption": "one", "image": 3}, {"text": "two"}, "three"])")),
            (Texts{"one", "two", "three"}));
  EXPECT_EQ(read("a.json", R"([{"id": 7, "caption": "one"}])").layout, Layout::list);
  EXPECT_TRUE(says(why_not("a.json", R"({"a": "x", "b": {"title": "y", "size": 3}})"),
                   "\"b\": the JSON object has no text named prompt, prompts, caption, captions or text; found: "
                   "\"title\", \"size\""));
  EXPECT_TRUE(says(why_not("a.json", R"({"model": 3, "data": []})"), "\"model\": neither a prompt"));
  EXPECT_TRUE(says(why_not("a.json", R"({"model": 3, "data": []})"), "found: \"model\", \"data\""));
  EXPECT_TRUE(says(why_not("a.json", R"({"a": "x", "b": " "})"), "\"b\": the prompt is blank"));
  EXPECT_TRUE(says(why_not("a.json", R"({"a": "x", "a": "y"})"), "occurs twice"));
  EXPECT_TRUE(says(why_not("a.json", R"([{"title": "x"}])"), "entry 0: the JSON object has no text"));
  EXPECT_TRUE(says(why_not("a.json", R"([{"a": 1}, "x"])"), "found: \"a\""));
  EXPECT_TRUE(says(why_not("a.json", "{}"), "holds no prompts"));
  EXPECT_TRUE(says(why_not("a.json", R"({"prompts": []})"), "holds no prompts"));
  EXPECT_TRUE(says(why_not("a.json", "3"), "neither COCO captions nor a list or an object"));
}

// JSON under another name, and other lines of JSON.
TEST_F(PromptFiles, JsonIsToldByItsContent) {
  EXPECT_EQ(texts(read("lines.json", "{\"prompt\": \"one\"}\n{\"Prompt\": \"two\"}\n")), (Texts{"one", "two"}));
  EXPECT_EQ(texts(read("list.txt", "[\n\"one\",\n\"two\"\n]\n")), (Texts{"one", "two"}));
  EXPECT_EQ(texts(read("list.jsonl", "{\n\"a\": \"one\"\n}\n")), Texts{"one"});
  EXPECT_EQ(texts(read("a.jsonl", "\"one\"\n{\"TEXT\": \"two\", \"n\": 1}\n{\"captions\": [\"three\", \"no\"]}\n")),
            (Texts{"one", "two", "three"}));
  EXPECT_TRUE(says(why_not("a.jsonl", "{\"title\": \"x\", \"n\": 1}\n"), "line 1: the JSON object has no text named"));
  EXPECT_TRUE(says(why_not("a.jsonl", "{\"title\": \"x\", \"n\": 1}\n"), "found: \"title\", \"n\""));
}

// What is cut out of COCO, and what other people write in its shape.
TEST_F(PromptFiles, CocoMayHaveTextIdsAndCaptionsOfImagesThatAreNotThere) {
  EXPECT_EQ(texts(read("c.json", R"({"images": [{"id": "b"}, {"id": 7}, {"id": "9"}],
    "annotations": [{"image_id": 8, "caption": "absent"}, {"image_id": "7", "caption": "seven"}, {"image_id": "z", "caption": "absent"},
                    {"image_id": "b", "caption": " "}, {"image_id": "b", "caption": "\nbee "}, {"image_id": 9, "caption": "nine"}]})")),
            (Texts{"bee", "seven", "nine"}));
  EXPECT_EQ(
      texts(read("c.json", R"({"annotations": [{"image_id": 5, "caption": "five"}, {"image_id": 3, "caption": "three"},
                                                     {"image_id": 5, "caption": "no"}]})")),
      (Texts{"five", "three"}));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [{"id": 1}], "annotations": [{"image_id": 2, "caption": "x"}]})"),
                   "holds no prompts"));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [{"id": 1}, {"id": "1"}], "annotations": []})"), "image 1: its id"));
  EXPECT_TRUE(says(why_not("c.json", R"({"images": [{"id": 1.5}], "annotations": []})"),
                   "image 0: \"id\" is missing or neither"));
  EXPECT_TRUE(
      says(why_not("c.json", R"({"images": [{"id": 1}], "annotations": [{"id": 3, "caption": "x"}]})"),
           "annotation 0: \"image_id\" is missing or neither a whole number nor a text; found: \"id\", \"caption\""));
  EXPECT_TRUE(
      says(why_not("c.json", R"({"images": [{"id": 1}], "sentences": []})"), "found: \"images\", \"sentences\""));
}

// A file's own name is no reason to refuse what it holds.
TEST_F(PromptFiles, AListNeedsNoNameThatCanBeAStyle) {
  EXPECT_EQ(read("my prompts.json", R"(["one"])").layout, Layout::list);
  EXPECT_EQ(read("anime.json", R"(["one"])").layout, Layout::hpsv2);
}

// The order of the list that is read is that of the list itself, whatever stands before it.
TEST_F(PromptFiles, NamesElsewhereInAFileDoNotChangeTheOrder) {
  const PromptList list =
      read("a.json",
           R"({"sizes": {"a": 1, "c": 2, "b": 3}, "prompts": {"c": "1", "b": {"b": 0, "prompt": "2"}, "a": "3"}})");
  EXPECT_EQ(texts(list), (Texts{"1", "2", "3"}));
}

// Were one of these lists of 100,000 prompts read in quadratic time, this test would take minutes.
TEST_F(PromptFiles, LongListsTakeTimeByTheirLength) {
  constexpr int kCount = 100'000;
  std::string by_id = "{", entries = "[", images = "{\"images\": [", annotations = "], \"annotations\": [";
  for (int i = 0; i < kCount; ++i) {
    const std::string_view comma = i == 0 ? "" : ", ";
    by_id += fmt::format("{}\"id{}\": {{\"prompt\": \"a {}\"}}", comma, i, i);
    entries += fmt::format("{}{{\"id\": \"{}\", \"prompt\": \"a {}\"}}", comma, i, i);
    images += fmt::format("{}{{\"id\": {}}}", comma, i);
    annotations += fmt::format("{}{{\"image_id\": {}, \"caption\": \"a {}\"}}", comma, kCount - 1 - i, kCount - 1 - i);
  }
  for (const std::string& content : {by_id + "}", entries + "]", images + annotations + "]}"}) {
    const PromptList list = read("a.json", content);
    ASSERT_EQ(list.prompts.size(), std::size_t{kCount});
    for (int i = 0; i < kCount; ++i) ASSERT_EQ(list.prompts[static_cast<std::size_t>(i)].text, fmt::format("a {}", i));
  }
}

TEST_F(PromptFiles, DeepJsonIsRefused) {
  EXPECT_NE(why_not("d.json", std::string(100000, '[')), "");
  EXPECT_NE(why_not("d.jsonl", std::string(100000, '{')), "");
}

}  // namespace
}  // namespace scalekv::dataset
