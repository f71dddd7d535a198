export { BootError, type BootOptions, boot, type RunningApp } from './boot.ts';
