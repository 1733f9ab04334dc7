#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the filters' headers promise is there: compares declarations with what libfltmgr exports. Prints TAP.

usage: coverage.py [--write] SOURCE-DIRECTORY LIBFLTMGR

--write makes docs/api-coverage.md anew instead of comparing with it.
"""
import os
import re
import subprocess
import sys
import tempfile

HEADERS = ['fltKernel.h', 'ntstrsafe.h', 'ntintsafe.h', 'ntdddisk.h', 'wsk.h']


def preprocess(include):
    """The headers' own text without comments and macros."""
    with tempfile.TemporaryDirectory() as work:
        unit = os.path.join(work, 'unit.c')
        with open(unit, 'w') as f:
            f.writelines('#include <%s>\n' % header for header in HEADERS)
        compiler = os.environ.get('CC', 'cc').split()
        text = subprocess.check_output(compiler + ['-E', '-std=gnu11', '-fshort-wchar', '-DDBG=1', '-I' + include, unit],
                                       text=True)
    lines, ours = [], False
    for line in text.split('\n'):
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            ours = os.path.realpath(marker.group(1)).startswith(os.path.realpath(include) + '/')
        elif ours and not line.startswith('#'):
            lines.append(line)
    return ' '.join(lines)


def without_bodies(text):
    """Each { ... } becomes {}; a definition ends with a semicolon like a declaration."""
    out, depth = [], 0
    for c in text:
        if c == '{':
            depth += 1
            if depth == 1:
                out.append('{}')
        elif c == '}':
            depth -= 1
            if depth == 0:
                out.append(';')
        elif depth == 0:
            out.append(c)
    return ''.join(out)


def read_headers(include):
    """(declared functions, inline functions, declared data)"""
    declared, inline, data = set(), set(), set()
    for statement in without_bodies(preprocess(include)).split(';'):
        statement = re.sub(r'__attribute__\s*\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)', ' ', statement)
        statement = re.sub(r'__asm__\s*\([^)]*\)', ' ', statement).strip()
        if not statement or statement.startswith(('typedef', '_Static_assert')):
            continue
        function = re.match(r'[\w\s*]*?\b(\w+)\s*\(', statement)
        if function:
            (inline if '{}' in statement else declared).add(function.group(1))
        elif statement.startswith('extern'):
            data.add(re.search(r'(\w+)\s*(?:\[[^]]*\])?$', statement).group(1))
    return declared - inline, inline, data


def read_exports(library):
    """{name: version}"""
    exports = {}
    for line in subprocess.check_output(['nm', '-D', '--defined-only', library], text=True).splitlines():
        name, _, version = line.split()[-1].partition('@')
        if not name.startswith('FLTMGR_'):
            exports[name] = version.lstrip('@')
    return exports


def read_refusals(source):
    """{function that returns STATUS_NOT_SUPPORTED and nothing else: why}"""
    macro = re.compile(r'^FM_NOT_SUPPORTED\((\w+),.*?"([^"]*)"\)$', re.M | re.S)
    body = re.compile(r'^NTSTATUS (\w+)\([^{;]*\)\n\{\n(?:\s*if \(\w+\)\n)?(?:\s*\*\w+ = NULL;\n)?\s*'
                      r'(?:fm_not_supported\("([^"]*)"\)|fm_log_unsupported\(__func__, "([^"]*)"\));\n'
                      r'\s*return STATUS_NOT_SUPPORTED;\n\}', re.M)
    refusals = {}
    for folder in ('nt', 'fltmgr'):
        for name in sorted(os.listdir(os.path.join(source, 'src', folder))):
            if not name.endswith('.c'):
                continue
            with open(os.path.join(source, 'src', folder, name)) as f:
                text = f.read()
            refusals.update(macro.findall(text))
            refusals.update((m[0], (m[1] or m[2]).replace(m[0], '').strip(': ')) for m in body.findall(text))
    return refusals


def read_absent(path):
    absent = {}
    with open(path) as f:
        for line in f:
            if line.strip() and not line.startswith('#'):
                name, why = line.split(None, 1)
                absent[name] = why.strip()
    return absent


def paragraphs(names):
    """Names by prefix, in lines that fit."""
    groups = {}
    for name in sorted(names, key=str.lower):
        prefix = re.match(r'(?:[A-Z][a-z]*|_*[a-z]+|_+)', name).group(0)
        groups.setdefault(prefix, []).append('`%s`' % name)
    small = sorted(n for names in groups.values() if len(names) < 3 for n in names)
    text = [' '.join(names) for _, names in sorted(groups.items()) if len(names) >= 3]
    return '\n\n'.join(text + ([' '.join(small)] if small else []))


def rows(table):
    return ''.join('| `%s` | %s |\n' % (name, why or 'is not there') for name, why in sorted(table.items()))


def page(implemented, inline, refusals, absent):
    return '''# API coverage

<!-- Made by tests/unit/ddk/coverage.py from the headers, the library and src/include/ddk/absent.txt. -->

Functions that filters can call: %d in the library, %d inline in the headers, %d that return
`STATUS_NOT_SUPPORTED` and say so once in the log, and %d that are not there. Where a function that is there
differs from Windows, [differences.md](differences.md) and the comment above it say how.

## Not supported

These can be linked with and return `STATUS_NOT_SUPPORTED`.

| function | because |
|---|---|
%s
## Not there

These are not declared.

| function | because |
|---|---|
%s
## In the library

%s

## Inline

%s
''' % (len(implemented), len(inline), len(refusals), len(absent), rows(refusals), rows(absent), paragraphs(implemented),
       paragraphs(inline))


class Tap:
    def __init__(self):
        self.count, self.failed = 0, False

    def none(self, what, found):
        """Passes if nothing was found."""
        self.count += 1
        print('%s %d - %s' % ('not ok' if found else 'ok', self.count, what))
        for thing in sorted(found):
            self.failed = True
            print('# ' + thing)


def main():
    arguments = [a for a in sys.argv[1:] if a != '--write']
    source, library = arguments
    include = os.path.join(source, 'src/include/ddk')
    document = os.path.join(source, 'docs/api-coverage.md')
    declared, inline, data = read_headers(include)
    exports = read_exports(library)
    absent = read_absent(os.path.join(include, 'absent.txt'))
    refusals = {n: why for n, why in read_refusals(source).items() if n in declared}
    ours = {n for n in declared | inline | data if n.startswith('fm_')}
    implemented = {n for n in declared if n in exports and n not in refusals} - ours
    text = page(implemented, inline - ours, refusals, absent)
    if '--write' in sys.argv:
        with open(document, 'w') as f:
            f.write(text)

    tap = Tap()
    tap.none('headers were read', set() if len(declared) > 500 else {'only %d declarations' % len(declared)})
    tap.none('each declared function is defined', declared - set(exports))
    tap.none('all declared data is defined', data - set(exports))
    tap.none('what is said to be absent is', set(absent) & (set(exports) | declared | inline))
    tap.none('nothing is exported by accident',
             {n for n, v in exports.items() if v == 'FLTMGR_0' and n not in declared | data | inline})
    tap.none('what headers call is public', {n for n in ours if exports.get(n, 'FLTMGR_0') != 'FLTMGR_0'})
    tap.none('our own names are private', {n for n in exports if exports[n] == 'FLTMGR_PRIVATE' and n[:3] != 'fm_'})
    try:
        with open(document) as f:
            same = f.read() == text
    except FileNotFoundError:
        same = False
    tap.none('docs/api-coverage.md is up to date', set() if same else {'run coverage.py --write'})
    print('1..%d' % tap.count)
    return tap.failed


if __name__ == '__main__':
    sys.exit(main())
