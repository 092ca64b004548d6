// Bitcode in, object out, through the LLVM C API. A context per compilation: nothing is shared
// between threads.
#include "compiler/codegen/cpu_module.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/BitReader.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdio.h>

#include "compiler/codegen/cpu_templates.h"
#include "compiler/codegen/kernel_cache.h"

enum { CALL_PARAMETERS = 12 };

static const char passes[] = "default<O3>";

typedef struct unit {
  const tl_spec *spec;
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef builder;
  LLVMTargetMachineRef machine;
  tl_diag *diag;
  bool complained;
} unit;

void tl_cpu_module_setup(void) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
}

static tl_status fail(unit *u, const char *what, const char *why) {
  return tl_diag_error(u->diag, TL_INTERNAL, (tl_span){0}, "kernel %s: %s: %s",
                       tl_anchor_text(u->spec->anchor), what, why ? why : "");
}

// A loop that was to be unrolled and was not would be a slow kernel: warnings are errors.
static void on_diagnostic(LLVMDiagnosticInfoRef info, void *context) {
  unit *u = context;
  LLVMDiagnosticSeverity severity = LLVMGetDiagInfoSeverity(info);
  if (severity != LLVMDSError && severity != LLVMDSWarning) return;
  char *text = LLVMGetDiagInfoDescription(info);
  if (!u->complained) (void)fail(u, "LLVM", text);
  u->complained = true;
  LLVMDisposeMessage(text);
}

static tl_status parse(unit *u, const tl_cpu_template *template) {
  LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRange(
      template->bitcode, (size_t)(template->bitcode_end - template->bitcode), "template", 0);
  LLVMBool failed = LLVMParseBitcodeInContext2(u->context, buffer, &u->module);
  LLVMDisposeMemoryBuffer(buffer);
  return failed ? fail(u, "template", "its bitcode cannot be read") : TL_OK;
}

static tl_status set_constants(unit *u) {
  for (int i = 0; i < u->spec->constants_count; i++) {
    const tl_spec_constant *constant = &u->spec->constants[i];
    LLVMValueRef global = LLVMGetNamedGlobal(u->module, constant->name);
    if (!global) continue; // the template does not use it
    LLVMValueRef value =
        constant->is_real
            ? LLVMConstReal(LLVMDoubleTypeInContext(u->context), constant->f)
            : LLVMConstInt(LLVMInt64TypeInContext(u->context), (uint64_t)constant->i, 1);
    LLVMSetVisibility(global, LLVMDefaultVisibility);
    LLVMSetInitializer(global, value);
    LLVMSetLinkage(global, LLVMInternalLinkage);
    LLVMSetGlobalConstant(global, 1);
  }
  for (LLVMValueRef g = LLVMGetFirstGlobal(u->module); g; g = LLVMGetNextGlobal(g)) {
    if (LLVMIsDeclaration(g)) return fail(u, "constant left unset", LLVMGetValueName(g));
  }
  return TL_OK;
}

// The generated epilogue must be inlinable into the template's functions: same attributes.
static void copy_attributes(unit *u, LLVMValueRef from, LLVMValueRef to) {
  unsigned count = LLVMGetAttributeCountAtIndex(from, LLVMAttributeFunctionIndex);
  LLVMAttributeRef attributes[64];
  if (count > 64) return;
  LLVMGetAttributesAtIndex(from, LLVMAttributeFunctionIndex, attributes);
  for (unsigned i = 0; i < count; i++)
    LLVMAddAttributeAtIndex(to, LLVMAttributeFunctionIndex, attributes[i]);
  unsigned kind = LLVMGetEnumAttributeKindForName("alwaysinline", 12);
  LLVMAddAttributeAtIndex(to, LLVMAttributeFunctionIndex,
                          LLVMCreateEnumAttribute(u->context, kind, 0));
}

static LLVMValueRef integer(unit *u, int64_t value) {
  return LLVMConstInt(LLVMInt64TypeInContext(u->context), (uint64_t)value, 1);
}

static tl_status emit_call(unit *u, LLVMValueRef epilogue, const tl_spec_call *call) {
  char name[64];
  snprintf(name, sizeof name, "tl_statement_%s", tl_statement_of(call->kind)->text);
  LLVMValueRef function = LLVMGetNamedFunction(u->module, name);
  if (!function) return fail(u, "template lacks", name);
  LLVMTypeRef pointer = LLVMPointerTypeInContext(u->context, 0);
  LLVMValueRef first = integer(u, call->first_arg);
  LLVMValueRef args[CALL_PARAMETERS] = {
      LLVMGetParam(epilogue, 0),
      LLVMBuildGEP2(u->builder, pointer, LLVMGetParam(epilogue, 1), &first, 1, ""),
      LLVMGetParam(epilogue, 2),
      integer(u, call->ints[0]),
      integer(u, call->ints[1]),
      integer(u, call->ints[2]),
      integer(u, call->ints[3]),
      LLVMConstReal(LLVMFloatTypeInContext(u->context), call->real),
      integer(u, call->row_bytes),
      integer(u, call->format),
      integer(u, call->key),
      integer(u, call->value)};
  LLVMBuildCall2(u->builder, LLVMGlobalGetValueType(function), function, args, CALL_PARAMETERS, "");
  return TL_OK;
}

static tl_status fill_epilogue(unit *u) {
  LLVMValueRef epilogue = LLVMGetNamedFunction(u->module, "tl_epilogue");
  if (!epilogue) return TL_OK; // the template stores by itself
  copy_attributes(u, LLVMGetNamedFunction(u->module, "tl_kernel_entry"), epilogue);
  LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(u->context, epilogue, "entry");
  LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(u->context, epilogue, "done");
  LLVMPositionBuilderAtEnd(u->builder, entry);
  LLVMValueRef select =
      LLVMBuildSwitch(u->builder, LLVMGetParam(epilogue, 3), done, TL_SEGMENTS_MAX);
  for (int s = 0; s < u->spec->segments_count; s++) {
    LLVMBasicBlockRef block = LLVMAppendBasicBlockInContext(u->context, epilogue, "segment");
    LLVMAddCase(select, integer(u, s), block);
    LLVMPositionBuilderAtEnd(u->builder, block);
    for (int c = 0; c < u->spec->calls_count[s]; c++)
      TL_TRY(emit_call(u, epilogue, &u->spec->calls[s][c]));
    LLVMBuildBr(u->builder, done);
  }
  LLVMPositionBuilderAtEnd(u->builder, done);
  LLVMBuildRetVoid(u->builder);
  return TL_OK;
}

static void internalize(unit *u) {
  for (LLVMValueRef f = LLVMGetFirstFunction(u->module); f; f = LLVMGetNextFunction(f)) {
    if (LLVMIsDeclaration(f) || strcmp(LLVMGetValueName(f), "tl_kernel_entry") == 0) continue;
    LLVMSetVisibility(f, LLVMDefaultVisibility);
    LLVMSetLinkage(f, LLVMInternalLinkage);
  }
}

static tl_status make_machine(unit *u, const tl_cpu_template *template) {
  LLVMTargetRef target;
  char *message = NULL;
  const char *triple = LLVMGetTarget(u->module);
  if (LLVMGetTargetFromTriple(triple, &target, &message)) {
    tl_status status = fail(u, "target", message);
    LLVMDisposeMessage(message);
    return status;
  }
  u->machine =
      LLVMCreateTargetMachine(target, triple, template->cpu, template->features,
                              LLVMCodeGenLevelAggressive, LLVMRelocPIC, LLVMCodeModelSmall);
  return u->machine ? TL_OK : fail(u, "target", "no machine");
}

// The finished module holds all that its code is made from but LLVM itself and what it is told.
static void find_kept(const unit *u, const tl_cpu_template *template,
                      tl_kernel_cache_entry *out_entry) {
  unsigned version[3];
  LLVMGetVersion(&version[0], &version[1], &version[2]);
  LLVMMemoryBufferRef buffer = LLVMWriteBitcodeToMemoryBuffer(u->module);
  tl_sha256 sha;
  tl_sha256_init(&sha);
  tl_sha256_add(&sha, version, sizeof version);
  tl_sha256_add(&sha, passes, sizeof passes);
  tl_sha256_add(&sha, template->cpu, strlen(template->cpu) + 1);
  tl_sha256_add(&sha, template->features, strlen(template->features) + 1);
  tl_sha256_add(&sha, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
  LLVMDisposeMemoryBuffer(buffer);
  tl_kernel_cache_find(&sha, out_entry);
}

static tl_status optimise(unit *u) {
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef error = LLVMRunPasses(u->module, passes, u->machine, options);
  LLVMDisposePassBuilderOptions(options);
  if (!error) return u->complained ? TL_INTERNAL : TL_OK;
  char *text = LLVMGetErrorMessage(error);
  tl_status status = fail(u, "optimiser", text);
  LLVMDisposeErrorMessage(text);
  return status;
}

static tl_status emit(unit *u, tl_arena *arena, tl_str *out_object) {
  LLVMMemoryBufferRef buffer = NULL;
  char *message = NULL;
  if (LLVMTargetMachineEmitToMemoryBuffer(u->machine, u->module, LLVMObjectFile, &message,
                                          &buffer)) {
    tl_status status = fail(u, "emitter", message);
    LLVMDisposeMessage(message);
    return status;
  }
  *out_object =
      tl_arena_copy(arena, (tl_str){LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer)});
  LLVMDisposeMemoryBuffer(buffer);
  return out_object->data ? TL_OK : TL_MEMORY;
}

// The object of the finished module, unless it is kept from an earlier time.
static tl_status compile(unit *u, const tl_cpu_template *template, tl_arena *arena,
                         tl_str *out_object) {
  tl_kernel_cache_entry entry;
  tl_kernel_code kept;
  find_kept(u, template, &entry);
  if (tl_kernel_cache_get(&entry, arena, &kept)) {
    *out_object = kept.bytes;
    return TL_OK;
  }
  TL_TRY(make_machine(u, template));
  TL_TRY(optimise(u));
  TL_TRY(emit(u, arena, out_object));
  tl_kernel_cache_put(&entry, &(tl_kernel_code){.bytes = *out_object});
  return TL_OK;
}

tl_status tl_cpu_module_compile(const tl_spec *spec, int target, tl_arena *arena,
                                tl_str *out_object, tl_diag *diag) {
  const tl_cpu_template *template = tl_cpu_template_of(tl_anchor_text(spec->anchor), target);
  if (!template) {
    return tl_diag_error(diag, TL_INTERNAL, (tl_span){0}, "no template %s for this target",
                         tl_anchor_text(spec->anchor));
  }
  unit u = {.spec = spec, .context = LLVMContextCreate(), .diag = diag};
  LLVMContextSetDiagnosticHandler(u.context, on_diagnostic, &u);
  u.builder = LLVMCreateBuilderInContext(u.context);
  tl_status status = parse(&u, template);
  if (tl_ok(status)) status = set_constants(&u);
  if (tl_ok(status)) status = fill_epilogue(&u);
  if (tl_ok(status)) internalize(&u);
  if (tl_ok(status)) status = compile(&u, template, arena, out_object);
  if (u.machine) LLVMDisposeTargetMachine(u.machine);
  if (u.module) LLVMDisposeModule(u.module);
  LLVMDisposeBuilder(u.builder);
  LLVMContextDispose(u.context);
  return status;
}
