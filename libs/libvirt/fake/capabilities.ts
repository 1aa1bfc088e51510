// Capability documents of the fake host: small, in libvirt's shape, enough for an agent to read cores and NUMA cells from.

interface Shape {
  readonly hostUuid: string;
  readonly cpus: number;
  readonly memoryKiB: number;
  readonly numaNodes: number;
}

export function capabilitiesXml({ hostUuid, cpus, memoryKiB, numaNodes }: Shape): string {
  const perCell = Math.ceil(cpus / numaNodes);
  const cells: string[] = [];
  for (let cell = 0, cpu = 0; cell < numaNodes; cell++) {
    const lines: string[] = [];
    for (let core = 0; core < perCell && cpu < cpus; core++, cpu++) {
      lines.push(`            <cpu id='${cpu}' socket_id='${cell}' die_id='0' core_id='${core}' siblings='${cpu}'/>`);
    }
    const memory = Math.floor(memoryKiB / numaNodes);
    cells.push(
      [
        `        <cell id='${cell}'>`,
        `          <memory unit='KiB'>${memory}</memory>`,
        `          <pages unit='KiB' size='4'>${Math.floor(memory / 4)}</pages>`,
        `          <pages unit='KiB' size='2048'>0</pages>`,
        `          <distances>`,
        ...Array.from({ length: numaNodes }, (_, other) => `            <sibling id='${other}' value='${other === cell ? 10 : 20}'/>`),
        `          </distances>`,
        `          <cpus num='${lines.length}'>`,
        ...lines,
        `          </cpus>`,
        `        </cell>`,
      ].join('\n'),
    );
  }
  return `<capabilities>
  <host>
    <uuid>${hostUuid}</uuid>
    <cpu>
      <arch>x86_64</arch>
      <model>qemu64</model>
      <vendor>AMD</vendor>
      <topology sockets='${numaNodes}' dies='1' cores='${perCell}' threads='1'/>
    </cpu>
    <topology>
      <cells num='${numaNodes}'>
${cells.join('\n')}
      </cells>
    </topology>
  </host>
  <guest>
    <os_type>hvm</os_type>
    <arch name='x86_64'>
      <wordsize>64</wordsize>
      <emulator>/usr/bin/qemu-system-x86_64</emulator>
      <machine maxCpus='255'>pc-i440fx-7.2</machine>
      <machine canonical='pc-i440fx-7.2' maxCpus='255'>pc</machine>
      <machine maxCpus='288'>pc-q35-7.2</machine>
      <machine canonical='pc-q35-7.2' maxCpus='288'>q35</machine>
      <domain type='qemu'/>
    </arch>
  </guest>
</capabilities>
`;
}

export function domainCapabilitiesXml(query: { readonly emulatorbin: string | null; readonly arch: string | null; readonly machine: string | null; readonly virttype: string | null }): string {
  return `<domainCapabilities>
  <path>${query.emulatorbin ?? '/usr/bin/qemu-system-x86_64'}</path>
  <domain>${query.virttype ?? 'qemu'}</domain>
  <machine>${query.machine ?? 'pc-i440fx-7.2'}</machine>
  <arch>${query.arch ?? 'x86_64'}</arch>
  <vcpu max='255'/>
  <cpu>
    <mode name='host-passthrough' supported='no'/>
    <mode name='custom' supported='yes'>
      <model usable='yes'>qemu64</model>
    </mode>
  </cpu>
</domainCapabilities>
`;
}

/** Whatever model is asked about, with the same few features. */
export function baselineCpuXml(cpu: string): string {
  const model = /<model[^>]*>([^<]+)</.exec(cpu)?.[1] ?? 'qemu64';
  return `<cpu mode='custom' match='exact'>
  <model fallback='forbid'>${model}</model>
  ${['sse', 'sse2', 'pni', 'cx16', 'hypervisor'].map((name) => `<feature policy='require' name='${name}'/>`).join('\n  ')}
</cpu>
`;
}
