const _imports_0 = "/pictures/devices.svg";
export {
  _imports_0 as _
};
