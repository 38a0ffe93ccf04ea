#!/usr/bin/env python3
"""Finds checks that no test would miss (README.md).

  check_deletion.py switch TABLE FILE.cc...    rewrites the files in place
  check_deletion.py run TABLE OUT BINARY...    after they are built
"""
import os
import re
import subprocess
import sys
import time

# One switch for each check; CHECK_OFF names the one that is off.
PRELUDE = r'''#pragma GCC diagnostic ignored "-Wparentheses"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <cstdlib>
#include <utility>
#include "absl/status/status.h"
namespace check_deletion {
inline bool On(int check) {
  static const char* const off = std::getenv("CHECK_OFF");
  static const int number = off == nullptr ? 0 : std::atoi(off);
  return check != number;
}
inline absl::Status Drop(int check, absl::Status status) {
  return On(check) ? std::move(status) : absl::OkStatus();
}
}  // namespace check_deletion
#line 1
'''
TEST_TIMEOUT_SECONDS = 300


def mask(text):
    """`text` with comments and literals blanked; as long as it."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\])*"'
        r"|(?<!\w)'(?:\\.|[^'\\])*'", re.S)
    return pattern.sub(lambda m: re.sub(r'[^\n]', '_', m.group()), text)


def matching(code, opening):
    """The index of the bracket that closes the one at `opening`."""
    depth = 0
    for at in range(opening, len(code)):
        depth += (code[at] in '([{') - (code[at] in ')]}')
        if depth == 0:
            return at
    raise ValueError('unbalanced')


def split(code, start, end, separator):
    """(start, end) of what `separator` divides at the top level."""
    parts, depth, at = [], 0, start
    while at < end:
        depth += (code[at] in '([{') - (code[at] in ')]}')
        if depth == 0 and code[at] == '?' and separator != ';':
            return [(start, end)]
        if depth == 0 and code.startswith(separator, at):
            parts.append((parts[-1][1] + len(separator) if parts else start, at))
            at += len(separator) - 1
        at += 1
    parts.append((parts[-1][1] + len(separator) if parts else start, end))
    return parts


def checks(code):
    """(start, end, before, after, kind) of each check."""
    for hit in re.finditer(r'\bif \(', code):
        opening = hit.end() - 1
        end = matching(code, opening)
        start = split(code, opening + 1, end, ';')[-1][0]
        if re.match(r'\s*(const\s+)?[\w:<>]+\s*[*&]?\s*\w+\s*=[^=]',
                    code[start:end]):
            continue  # Declares what it tests.
        body = end + 1 + re.match(r'\s*', code[end + 1:]).end()
        body_end = (matching(code, body) if code[body] == '{'
                    else code.index(';', body)) + 1
        returned = re.findall(r'\breturn\b\s*([^;]*);', code[body:body_end])
        if returned and all(r in ('absl::OkStatus()', 'true')
                            for r in returned):
            # Accepts early: without the check it always does.
            yield start, end, '(!check_deletion::On(%d) || (', '))', 'accepts'
        elif re.search(r'\breturn\b|Fail\(\)|continue;', code[body:body_end]):
            for part in split(code, start, end, '||'):
                yield *part, '(check_deletion::On(%d) && (', '))', 'refuses'
    for hit in re.finditer(r'KMS_RETURN_IF_ERROR\(', code):
        opening = hit.end() - 1
        yield (opening + 1, matching(code, opening),
               'check_deletion::Drop(%d, ', ')', 'status')
    for hit in re.finditer(r'\n\s*return ([^;{}]*&&[^;{}]*);', code):
        for part in split(code, hit.start(1), hit.end(1), '&&'):
            if part != (hit.start(1), hit.end(1)):
                yield *part, '(!check_deletion::On(%d) || (', '))', 'and'
    for hit in re.finditer(r'\n\s+(\w+\.(?:Finish|Fail)\([^;]*\));', code):
        yield (hit.start(1), hit.end(1), 'if (check_deletion::On(%d)) ', '',
               'reader')


def switch(table, paths):
    number = 0
    with open(table, 'w') as out:
        for path in paths:
            text = open(path).read()
            edits = []
            for start, end, before, after, kind in checks(mask(text)):
                number += 1
                while text[start].isspace():
                    start += 1
                while text[end - 1].isspace():
                    end -= 1
                edits += [(start, 1, before % number), (end, 0, after)]
                line = text.count('\n', 0, start) + 1
                source = ' '.join(text[start:end].split())[:120]
                out.write(f'{number}\t{path}:{line}\t{kind}\t{source}\n')
            pieces, last = [], 0
            for at, _, inserted in sorted(edits, key=lambda e: e[:2]):
                pieces += [text[last:at], inserted]
                last = at
            if edits:
                open(path, 'w').write(PRELUDE + ''.join(pieces) + text[last:])
    print(number, 'checks')


def red(binary, check):
    """Whether a test of `binary` fails while `check` is off."""
    folder = os.path.abspath(binary) + '.runfiles/kms'
    try:
        return subprocess.run(
            [os.path.abspath(binary), '--gtest_fail_fast'], cwd=folder,
            env=dict(os.environ, CHECK_OFF=str(check)),
            timeout=TEST_TIMEOUT_SECONDS, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def run(table, out_path, binaries):
    for binary in binaries:
        if red(binary, 0):
            sys.exit(f'{binary}: red with every check on')
    survived = 0
    with open(out_path, 'w') as out:
        for line in open(table):
            number = line.split('\t')[0]
            began = time.time()
            killer = next((b for b in binaries if red(b, number)), None)
            survived += killer is None
            out.write(f'{killer or "SURVIVED"}\t{time.time() - began:.1f}\t{line}')
            out.flush()
    print(survived, 'survived')


if __name__ == '__main__':
    if len(sys.argv) < 4 or sys.argv[1] not in ('switch', 'run'):
        sys.exit(__doc__)
    if sys.argv[1] == 'switch':
        switch(sys.argv[2], sys.argv[3:])
    else:
        run(sys.argv[2], sys.argv[3], sys.argv[4:])
