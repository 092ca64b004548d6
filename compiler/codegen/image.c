// Lays out ELF objects as one image and applies their relocations.
#include "compiler/codegen/image.h"

#include <elf.h>

#include "runtime/base/plan.h"

enum { SECTIONS_MAX = 512 };

typedef struct object {
  const tl_object *source;
  const Elf64_Ehdr *header;
  const Elf64_Shdr *sections;
  const char *names;
  size_t *places; // offset in the image of each section; SIZE_MAX = not in it
} object;

typedef struct layout {
  object *objects;
  size_t count;
  tl_image *image;
  tl_diag *diag;
} layout;

static tl_status refuse(const layout *l, const object *o, const char *what) {
  return tl_diag_error(l->diag, TL_INTERNAL, (tl_span){0}, "code of %.*s holds %s",
                       TL_STR_ARG(o->source->name), what);
}

static const void *at(const object *o, uint64_t offset) {
  return o->source->bytes.data + offset;
}

static tl_status object_open(layout *l, object *o, const tl_object *source, tl_arena *arena) {
  o->source = source;
  o->header = at(o, 0);
  if (source->bytes.length < sizeof *o->header || o->header->e_shnum > SECTIONS_MAX ||
      o->header->e_machine != EM_X86_64) {
    return refuse(l, o, "something else than an x86-64 object");
  }
  o->sections = at(o, o->header->e_shoff);
  o->names = at(o, o->sections[o->header->e_shstrndx].sh_offset);
  o->places = tl_arena_array(arena, o->header->e_shnum, sizeof *o->places);
  return o->places ? TL_OK : TL_MEMORY;
}

// Unwind tables are left out: kernels never unwind.
static bool is_wanted(const object *o, const Elf64_Shdr *section) {
  return (section->sh_flags & SHF_ALLOC) && section->sh_size > 0 &&
         strcmp(o->names + section->sh_name, ".eh_frame") != 0;
}

// Gives the sections of one part their places; `*at` is the end of the part so far.
static tl_status place_sections(const layout *l, object *o, bool text, size_t *end) {
  for (int i = 0; i < o->header->e_shnum; i++) {
    const Elf64_Shdr *section = &o->sections[i];
    bool is_text = section->sh_flags & SHF_EXECINSTR;
    if (!is_wanted(o, section) || is_text != text) continue;
    if (section->sh_flags & (SHF_WRITE | SHF_TLS)) return refuse(l, o, "writable data");
    size_t align = section->sh_addralign < 64 ? 64 : section->sh_addralign;
    o->places[i] = (*end + align - 1) / align * align;
    *end = o->places[i] + section->sh_size;
  }
  return TL_OK;
}

static tl_status place_all(layout *l) {
  size_t end = 0;
  for (size_t i = 0; i < l->count; i++) {
    memset(l->objects[i].places, 0xff,
           l->objects[i].header->e_shnum * sizeof *l->objects[i].places);
    TL_TRY(place_sections(l, &l->objects[i], true, &end));
  }
  l->image->text_bytes = end;
  end = (end + TL_PLAN_CODE_BYTES - 1) / TL_PLAN_CODE_BYTES * TL_PLAN_CODE_BYTES;
  for (size_t i = 0; i < l->count; i++)
    TL_TRY(place_sections(l, &l->objects[i], false, &end));
  l->image->bytes_count = end;
  return TL_OK;
}

static tl_status relocate_section(const layout *l, const object *o, const Elf64_Shdr *table) {
  const Elf64_Sym *symbols = at(o, o->sections[table->sh_link].sh_offset);
  const Elf64_Rela *rows = at(o, table->sh_offset);
  size_t base = o->places[table->sh_info];
  if (base == SIZE_MAX) return TL_OK;
  for (size_t i = 0; i < table->sh_size / sizeof *rows; i++) {
    const Elf64_Sym *symbol = &symbols[ELF64_R_SYM(rows[i].r_info)];
    uint32_t type = ELF64_R_TYPE(rows[i].r_info);
    if (type != R_X86_64_PC32 && type != R_X86_64_PLT32) {
      return refuse(l, o, "a relocation that needs a loader");
    }
    if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= o->header->e_shnum ||
        o->places[symbol->st_shndx] == SIZE_MAX) {
      return refuse(l, o, "an undefined symbol");
    }
    int64_t target = (int64_t)(o->places[symbol->st_shndx] + symbol->st_value) + rows[i].r_addend;
    size_t place = base + rows[i].r_offset;
    int32_t distance = (int32_t)(target - (int64_t)place);
    memcpy(l->image->bytes + place, &distance, sizeof distance);
  }
  return TL_OK;
}

static tl_status fill(const layout *l, const object *o) {
  for (int i = 0; i < o->header->e_shnum; i++) {
    if (o->places[i] == SIZE_MAX || o->sections[i].sh_type == SHT_NOBITS) continue;
    memcpy(l->image->bytes + o->places[i], at(o, o->sections[i].sh_offset), o->sections[i].sh_size);
  }
  for (int i = 0; i < o->header->e_shnum; i++) {
    if (o->sections[i].sh_type == SHT_RELA) TL_TRY(relocate_section(l, o, &o->sections[i]));
  }
  return TL_OK;
}

static tl_status find_entry(const layout *l, const object *o, uint32_t *out_offset) {
  for (int i = 0; i < o->header->e_shnum; i++) {
    const Elf64_Shdr *table = &o->sections[i];
    if (table->sh_type != SHT_SYMTAB) continue;
    const Elf64_Sym *symbols = at(o, table->sh_offset);
    const char *names = at(o, o->sections[table->sh_link].sh_offset);
    for (size_t s = 0; s < table->sh_size / sizeof *symbols; s++) {
      if (strcmp(names + symbols[s].st_name, "tl_kernel_entry") != 0) continue;
      *out_offset = (uint32_t)(o->places[symbols[s].st_shndx] + symbols[s].st_value);
      return TL_OK;
    }
  }
  return refuse(l, o, "no entry");
}

tl_status tl_image_build(const tl_object *objects, size_t count, tl_arena *arena,
                         tl_image *out_image, tl_diag *diag) {
  *out_image = (tl_image){.entries = tl_arena_array(arena, count + 1, sizeof(uint32_t))};
  layout l = {tl_arena_array(arena, count + 1, sizeof(object)), count, out_image, diag};
  if (!l.objects || !out_image->entries) return TL_MEMORY;
  for (size_t i = 0; i < count; i++)
    TL_TRY(object_open(&l, &l.objects[i], &objects[i], arena));
  TL_TRY(place_all(&l));
  out_image->bytes = tl_arena_alloc(arena, out_image->bytes_count + 1);
  if (!out_image->bytes) return TL_MEMORY;
  for (size_t i = 0; i < count; i++) {
    TL_TRY(fill(&l, &l.objects[i]));
    TL_TRY(find_entry(&l, &l.objects[i], &out_image->entries[i]));
  }
  return TL_OK;
}
