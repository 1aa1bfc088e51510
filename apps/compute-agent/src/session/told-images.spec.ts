import { expect, it } from '@jest/globals';
import { ToldImages } from './told-images.js';

it('says images when they change, again now and then, never too many, and nothing while nobody can look', async () => {
  let here: string[] | null = null;
  let fails = false;
  const told = new ToldImages(async () => { if (fails) throw new Error('no disk'); return here; }, { imagesEveryBeats: 3, toldImages: 2 });
  const beat = async (): Promise<string[] | null> => { await told.look(); return told.toSay(); };
  expect(await beat()).toBeNull();
  here = ['a'.repeat(128)];
  expect(await beat()).toEqual(['a'.repeat(16)]);
  expect([await beat(), await beat()]).toEqual([null, null]);
  expect(await beat()).toEqual(['a'.repeat(16)]);
  here = ['a', 'b', 'c'].map((letter) => letter.repeat(128));
  expect(await beat()).toEqual(['a'.repeat(16), 'b'.repeat(16)]);
  fails = true;
  expect(await beat()).toBeNull();
  fails = false;
  here = [];
  expect(await beat()).toEqual([]);
});
