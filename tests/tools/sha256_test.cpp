#include "tools/input/sha256.h"

#include <doctest/doctest.h>

#include "tests/engine/temporary_folder.h"

using tally::tools::Sha256;
using tally::tools::sha256_of_file;

namespace {

std::string digest(const std::string& text, size_t piece) {
  Sha256 sha;
  for (size_t at = 0; at < text.size(); at += piece)
    sha.add(std::as_bytes(std::span(text).subspan(at, std::min(piece, text.size() - at))));
  return sha.hex();
}

}  // namespace

// The examples of FIPS 180-2, appendix B, and of the empty message.
TEST_CASE("published digests") {
  CHECK(digest("", 1) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(digest("abc", 2) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 9) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  const std::string million(1000000, 'a');
  CHECK(digest(million, 4097) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("files") {
  const tally::test::TemporaryFolder folder;
  CHECK(sha256_of_file(folder.write("abc", "abc")) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_of_file(folder.path / "missing").empty());
}
