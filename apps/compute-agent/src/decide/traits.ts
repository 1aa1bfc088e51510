/**
 * What a host can do, in the words of os-traits. Pure.
 * Owns: which words are true of a host of this agent. What the agent itself can do beyond them stays a capability.
 */
import type { HostInventory } from '#libs/contracts';

/** Features by libvirt's and by the kernel's name. */
const CPU_TRAITS: Readonly<Record<string, string | readonly string[]>> = {
  '3dnow': '3DNOW', 'abm': 'ABM', 'aes': 'AESNI', 'amx-bf16': 'AMXBF16', 'amx-int8': 'AMXINT8', 'amx-tile': 'AMXTILE', 'avx': 'AVX', 'avx2': 'AVX2',
  'avx512bw': 'AVX512BW', 'avx512cd': 'AVX512CD', 'avx512dq': 'AVX512DQ', 'avx512er': 'AVX512ER', 'avx512f': 'AVX512F', 'avx512pf': 'AVX512PF',
  'avx512vl': 'AVX512VL', 'avx512vnni': 'AVX512VNNI', 'avx512vbmi': 'AVX512VBMI', 'avx512ifma': 'AVX512IFMA', 'avx512vbmi2': 'AVX512VBMI2',
  'avx512bitalg': 'AVX512BITALG', 'avx512-vpopcntdq': 'AVX512VPOPCNTDQ', 'vaes': 'AVX512VAES', 'gfni': 'AVX512GFNI', 'vpclmulqdq': 'AVX512VPCLMULQDQ',
  'bmi1': 'BMI', 'bmi2': 'BMI2', 'pclmuldq': 'CLMUL', 'pclmulqdq': 'CLMUL', 'f16c': 'F16C', 'fma': 'FMA3', 'fma4': 'FMA4', 'mmx': 'MMX', 'mpx': 'MPX',
  'sha-ni': 'SHA', 'sse': 'SSE', 'sse2': 'SSE2', 'sse3': 'SSE3', 'pni': 'SSE3', 'ssse3': 'SSSE3', 'sse4.1': 'SSE41', 'sse4.2': 'SSE42', 'sse4a': 'SSE4A',
  'svm': ['SVM', 'AMD_SVM'], 'tbm': 'TBM', 'vmx': ['VMX', 'INTEL_VMX'], 'xop': 'XOP',
};

/** Of every host of this agent: what images it takes, and what its guests get. */
const OF_EVERY_HOST = ['COMPUTE_NODE', 'COMPUTE_IMAGE_TYPE_QCOW2', 'COMPUTE_IMAGE_TYPE_RAW', 'COMPUTE_STORAGE_BUS_VIRTIO', 'COMPUTE_GRAPHICS_MODEL_VGA'];

export function hostTraits({ cpuArch, cpuFlags, cells }: Pick<HostInventory, 'cpuArch' | 'cpuFlags' | 'cells'>, own: readonly string[]): string[] {
  const arch = cpuArch.toUpperCase().replace(/[^A-Z0-9]/g, '_');
  const ofCpu = cpuArch === 'x86_64' || cpuArch === 'i686' ? cpuFlags.flatMap((flag) => CPU_TRAITS[flag] ?? []).map((name) => `HW_CPU_X86_${name}`) : [];
  const threads = cells.some(({ cores }) => cores.some((core) => core.length > 1)) ? ['HW_CPU_HYPERTHREADING'] : [];
  return [...new Set([...OF_EVERY_HOST, `HW_ARCH_${arch}`, `COMPUTE_ARCH_${arch}`, ...ofCpu, ...threads, ...own])].sort();
}
