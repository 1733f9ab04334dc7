/* SPDX-License-Identifier: MIT */
/*
 * A filter exports nothing but DriverEntry, so the dynamic loader knows none of its callbacks by name. The
 * image's own symbol table does, unless it was stripped. The file is mapped for each look-up and taken for
 * what it is: foreign data.
 */
#include "nt/symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct image {
        const unsigned char *bytes;
        size_t size;
};

/* That many bytes at an offset, or NULL. */
static const void *part(const struct image *image, uint64_t offset, uint64_t size)
{
        return offset <= image->size && size <= image->size - offset ? image->bytes + offset : NULL;
}

static void look_in_table(const struct image *image, const Elf64_Shdr *table, const Elf64_Shdr *strings, uintptr_t value,
                          struct fm_symbol *ret)
{
        const unsigned char *symbols = part(image, table->sh_offset, table->sh_size);
        const char *names = part(image, strings->sh_offset, strings->sh_size);

        if (!symbols || !names || strings->sh_size == 0 || names[strings->sh_size - 1] != 0)
                return;
        for (uint64_t at = 0; table->sh_size - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
                Elf64_Sym symbol;

                memcpy(&symbol, symbols + at, sizeof(symbol));
                if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_name >= strings->sh_size ||
                    value < symbol.st_value || value - symbol.st_value >= (symbol.st_size ? symbol.st_size : 1))
                        continue;
                (void)snprintf(ret->name, sizeof(ret->name), "%s", names + symbol.st_name);
                ret->offset = value - symbol.st_value;
                return;
        }
}

static void look_in_image(const struct image *image, uintptr_t value, struct fm_symbol *ret)
{
        const Elf64_Ehdr *header = part(image, 0, sizeof(*header));
        const Elf64_Shdr *sections;

        if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
            header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shoff % _Alignof(Elf64_Shdr) != 0)
                return;
        sections = part(image, header->e_shoff, (uint64_t)header->e_shnum * sizeof(*sections));
        for (unsigned i = 0; sections && i < header->e_shnum && !ret->name[0]; i++) {
                if (sections[i].sh_type == SHT_SYMTAB && sections[i].sh_link < header->e_shnum)
                        look_in_table(image, &sections[i], &sections[sections[i].sh_link], value, ret);
        }
}

static void look_in_file(const char *path, uintptr_t value, struct fm_symbol *ret)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        struct stat st;
        void *bytes;

        if (fd < 0)
                return;
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
                bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
                if (bytes != MAP_FAILED) {
                        look_in_image(&(struct image){bytes, (size_t)st.st_size}, value, ret);
                        munmap(bytes, (size_t)st.st_size);
                }
        }
        close(fd);
}

bool fm_symbol_find(const void *address, struct fm_symbol *ret)
{
        Dl_info info;

        ret->name[0] = 0;
        if (!dladdr(address, &info))
                return false;
        ret->image = info.dli_fname;
        ret->offset = (uintptr_t)address - (uintptr_t)info.dli_fbase;
        look_in_file(info.dli_fname, ret->offset, ret);
        if (!ret->name[0] && info.dli_sname) {
                (void)snprintf(ret->name, sizeof(ret->name), "%s", info.dli_sname);
                ret->offset = (uintptr_t)address - (uintptr_t)info.dli_saddr;
        }
        return true;
}
