/** User data from its base64 into a file of the config drive. Pure. */

const PATH = 'openstack/latest/user_data';

/**
 * Text stands as it is. Bytes that are not UTF-8 (compressed user data) cannot travel as text: they stand as base64
 * under a name that ends in `;base64`, which the host decodes and drops from the name.
 */
export function decodeUserData(base64: string | null): Record<string, string> {
  if (base64 === null || base64 === '') return {};
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  try {
    return { [PATH]: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { [`${PATH};base64`]: base64.replace(/\s+/g, '') };
  }
}
