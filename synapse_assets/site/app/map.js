"use strict";(()=>{var Cu=`/* The frame of the map page: where its parts stand. The parts themselves are in shadow roots, with map_panes.css. */
.map-page { display: grid; gap: 20px 24px; max-width: none; padding: 18px 24px; grid-template-columns: 232px minmax(0, 1fr) 300px;
  grid-template-areas: "side map details"; }
.map-side { grid-area: side; min-width: 0; }
.map-details { grid-area: details; min-width: 0; display: grid; gap: 16px; align-content: start; }
.map-main { grid-area: map; min-width: 0; display: flex; flex-direction: column; gap: 8px; height: calc(100vh - 92px); min-height: 380px; }
.map-plot { position: relative; flex: 1; min-height: 0; }
.map-bar { display: flex; gap: 16px; align-items: center; } .map-bar > :first-child { flex: 1; min-width: 0; }
.map-tip { position: absolute; inset: 0; pointer-events: none; z-index: 5; }
.map-steers { position: absolute; right: 10px; bottom: 10px; z-index: 4; }
@media (min-width: 1201px) { .map-side, .map-main { position: sticky; top: 18px; align-self: start; } }
@media (max-width: 1200px) {
  .map-page { grid-template-columns: 232px minmax(0, 1fr); grid-template-areas: "side map" "side details"; grid-template-rows: auto 1fr; }
  .map-main { height: 62vh; } }
@media (max-width: 640px) { .map-page { grid-template-columns: minmax(0, 1fr); grid-template-areas: "map" "details" "side"; } }
`;var Pu=Symbol("Comlink.proxy"),Np=Symbol("Comlink.endpoint"),Dp=Symbol("Comlink.releaseProxy"),ol=Symbol("Comlink.finalizer"),br=Symbol("Comlink.thrown"),Lu=n=>typeof n=="object"&&n!==null||typeof n=="function",Up={canHandle:n=>Lu(n)&&n[Pu],serialize(n){let{port1:e,port2:t}=new MessageChannel;return Du(n,e),[t,[t]]},deserialize(n){return n.start(),ll(n)}},Fp={canHandle:n=>Lu(n)&&br in n,serialize({value:n}){let e;return n instanceof Error?e={isError:!0,value:{message:n.message,name:n.name,stack:n.stack}}:e={isError:!1,value:n},[e,[]]},deserialize(n){throw n.isError?Object.assign(new Error(n.value.message),n.value):n.value}},Nu=new Map([["proxy",Up],["throw",Fp]]);function Op(n,e){for(let t of n)if(e===t||t==="*"||t instanceof RegExp&&t.test(e))return!0;return!1}function Du(n,e=globalThis,t=["*"]){e.addEventListener("message",function i(s){if(!s||!s.data)return;if(!Op(t,s.origin)){console.warn(`Invalid origin '${s.origin}' for comlink proxy`);return}let{id:r,type:o,path:a}=Object.assign({path:[]},s.data),l=(s.data.argumentList||[]).map(pi),c;try{let u=a.slice(0,-1).reduce((f,d)=>f[d],n),h=a.reduce((f,d)=>f[d],n);switch(o){case"GET":c=h;break;case"SET":u[a.slice(-1)[0]]=pi(s.data.value),c=!0;break;case"APPLY":c=h.apply(u,l);break;case"CONSTRUCT":{let f=new h(...l);c=cl(f)}break;case"ENDPOINT":{let{port1:f,port2:d}=new MessageChannel;Du(n,d),c=Vp(f,[f])}break;case"RELEASE":c=void 0;break;default:return}}catch(u){c={value:u,[br]:0}}Promise.resolve(c).catch(u=>({value:u,[br]:0})).then(u=>{let[h,f]=Er(u);e.postMessage(Object.assign(Object.assign({},h),{id:r}),f),o==="RELEASE"&&(e.removeEventListener("message",i),Uu(e),ol in n&&typeof n[ol]=="function"&&n[ol]())}).catch(u=>{let[h,f]=Er({value:new TypeError("Unserializable return value"),[br]:0});e.postMessage(Object.assign(Object.assign({},h),{id:r}),f)})}),e.start&&e.start()}function Bp(n){return n.constructor.name==="MessagePort"}function Uu(n){Bp(n)&&n.close()}function ll(n,e){let t=new Map;return n.addEventListener("message",function(s){let{data:r}=s;if(!r||!r.id)return;let o=t.get(r.id);if(o)try{o(r)}finally{t.delete(r.id)}}),al(n,t,[],e)}function Sr(n){if(n)throw new Error("Proxy has been released and is not useable")}function Fu(n){return Ui(n,new Map,{type:"RELEASE"}).then(()=>{Uu(n)})}var wr=new WeakMap,Ar="FinalizationRegistry"in globalThis&&new FinalizationRegistry(n=>{let e=(wr.get(n)||0)-1;wr.set(n,e),e===0&&Fu(n)});function kp(n,e){let t=(wr.get(e)||0)+1;wr.set(e,t),Ar&&Ar.register(n,e,n)}function zp(n){Ar&&Ar.unregister(n)}function al(n,e,t=[],i=function(){}){let s=!1,r=new Proxy(i,{get(o,a){if(Sr(s),a===Dp)return()=>{zp(r),Fu(n),e.clear(),s=!0};if(a==="then"){if(t.length===0)return{then:()=>r};let l=Ui(n,e,{type:"GET",path:t.map(c=>c.toString())}).then(pi);return l.then.bind(l)}return al(n,e,[...t,a])},set(o,a,l){Sr(s);let[c,u]=Er(l);return Ui(n,e,{type:"SET",path:[...t,a].map(h=>h.toString()),value:c},u).then(pi)},apply(o,a,l){Sr(s);let c=t[t.length-1];if(c===Np)return Ui(n,e,{type:"ENDPOINT"}).then(pi);if(c==="bind")return al(n,e,t.slice(0,-1));let[u,h]=Iu(l);return Ui(n,e,{type:"APPLY",path:t.map(f=>f.toString()),argumentList:u},h).then(pi)},construct(o,a){Sr(s);let[l,c]=Iu(a);return Ui(n,e,{type:"CONSTRUCT",path:t.map(u=>u.toString()),argumentList:l},c).then(pi)}});return kp(r,n),r}function Gp(n){return Array.prototype.concat.apply([],n)}function Iu(n){let e=n.map(Er);return[e.map(t=>t[0]),Gp(e.map(t=>t[1]))]}var Ou=new WeakMap;function Vp(n,e){return Ou.set(n,e),n}function cl(n){return Object.assign(n,{[Pu]:!0})}function Er(n){for(let[e,t]of Nu)if(t.canHandle(n)){let[i,s]=t.serialize(n);return[{type:"HANDLER",name:e,value:i},s]}return[{type:"RAW",value:n},Ou.get(n)||[]]}function pi(n){switch(n.type){case"HANDLER":return Nu.get(n.name).deserialize(n.value);case"RAW":return n.value}}function Ui(n,e,t,i){return new Promise(s=>{let r=Hp();e.set(r,s),n.start&&n.start(),n.postMessage(Object.assign({id:r},t),i)})}function Hp(){return new Array(4).fill(0).map(()=>Math.floor(Math.random()*Number.MAX_SAFE_INTEGER).toString(16)).join("-")}var Ke=class extends Error{},Lt=class extends Error{};async function Bu(n,e){let t=await Wp(`${n}worker.js`);if(t)return(s,r)=>t.answer(e,s,cl(r));let i=await Xp(`${n}worker.js`);return(s,r)=>i.answer(e,s,r)}async function Wp(n){try{let e=new Worker(n),t=new Promise((s,r)=>e.addEventListener("error",r,{once:!0})),i=ll(e);return await Promise.race([i.isThere(),t]),i}catch{return null}}function Xp(n){return new Promise((e,t)=>{let i=document.createElement("script");i.src=n,i.addEventListener("load",()=>e(globalThis.siteEngine)),i.addEventListener("error",()=>t(new Lt(`${n} could not be fetched: load the page again`))),document.head.append(i)})}var ul=["BOOLEAN","INT32","INT64","INT96","FLOAT","DOUBLE","BYTE_ARRAY","FIXED_LEN_BYTE_ARRAY"],Cn=["PLAIN","GROUP_VAR_INT","PLAIN_DICTIONARY","RLE","BIT_PACKED","DELTA_BINARY_PACKED","DELTA_LENGTH_BYTE_ARRAY","DELTA_BYTE_ARRAY","RLE_DICTIONARY","BYTE_STREAM_SPLIT","ALP"],ku=["REQUIRED","OPTIONAL","REPEATED"],zu=["UTF8","MAP","MAP_KEY_VALUE","LIST","ENUM","DECIMAL","DATE","TIME_MILLIS","TIME_MICROS","TIMESTAMP_MILLIS","TIMESTAMP_MICROS","UINT_8","UINT_16","UINT_32","UINT_64","INT_8","INT_16","INT_32","INT_64","JSON","BSON","INTERVAL"],Gu=["UNCOMPRESSED","SNAPPY","GZIP","LZO","BROTLI","LZ4","ZSTD","LZ4_RAW"],Tr=["DATA_PAGE","INDEX_PAGE","DICTIONARY_PAGE","DATA_PAGE_V2"],Vu=["UNORDERED","ASCENDING","DESCENDING"],Hu=["SPHERICAL","VINCENTY","THOMAS","ANDOYER","KARNEY"];function Cr(n){let e=Rr(n);if(e.type===1)return{type:"Point",coordinates:hl(n,e)};if(e.type===2)return{type:"LineString",coordinates:fl(n,e)};if(e.type===3)return{type:"Polygon",coordinates:Wu(n,e)};if(e.type===4){let t=[];for(let i=0;i<e.count;i++)t.push(hl(n,Rr(n)));return{type:"MultiPoint",coordinates:t}}else if(e.type===5){let t=[];for(let i=0;i<e.count;i++)t.push(fl(n,Rr(n)));return{type:"MultiLineString",coordinates:t}}else if(e.type===6){let t=[];for(let i=0;i<e.count;i++)t.push(Wu(n,Rr(n)));return{type:"MultiPolygon",coordinates:t}}else if(e.type===7){let t=[];for(let i=0;i<e.count;i++)t.push(Cr(n));return{type:"GeometryCollection",geometries:t}}else throw new Error(`Unsupported geometry type: ${e.type}`)}function Rr(n){let{view:e}=n,t=e.getUint8(n.offset++)===1,i=e.getUint32(n.offset,t);n.offset+=4;let s=i%1e3,r=Math.floor(i/1e3),o=0;s>1&&s<=7&&(o=e.getUint32(n.offset,t),n.offset+=4);let a=2;return r&&a++,r===3&&a++,{littleEndian:t,type:s,dim:a,count:o}}function hl(n,e){let t=[];for(let i=0;i<e.dim;i++){let s=n.view.getFloat64(n.offset,e.littleEndian);n.offset+=8,t.push(s)}return t}function fl(n,e){let t=[];for(let i=0;i<e.count;i++)t.push(hl(n,e));return t}function Wu(n,e){let{view:t}=n,i=[];for(let s=0;s<e.count;s++){let r=t.getUint32(n.offset,e.littleEndian);n.offset+=4,i.push(fl(n,{...e,count:r}))}return i}var Xu=new TextDecoder,In={timestampFromMilliseconds(n){return new Date(Number(n))},timestampFromMicroseconds(n){return new Date(Number(n/1000n))},timestampFromNanoseconds(n){return new Date(Number(n/1000000n))},dateFromDays(n){return new Date(n*864e5)},stringFromBytes(n){return n&&Xu.decode(n)},jsonFromBytes(n){return n&&JSON.parse(Xu.decode(n))},geometryFromBytes(n){return n&&Cr({view:new DataView(n.buffer,n.byteOffset,n.byteLength),offset:0})},geographyFromBytes(n){return n&&Cr({view:new DataView(n.buffer,n.byteOffset,n.byteLength),offset:0})},uuidFromBytes(n){if(!n)return;let e=Array.from(n,t=>t.toString(16).padStart(2,"0")).join("");return e.slice(0,8)+"-"+e.slice(8,12)+"-"+e.slice(12,16)+"-"+e.slice(16,20)+"-"+e.slice(20,32)}};function dl(n,e,t,i){if(e&&t.endsWith("_DICTIONARY")){let s=n;n instanceof Uint8Array&&!(e instanceof Uint8Array)&&(s=new e.constructor(n.length));for(let r=0;r<n.length;r++)s[r]=e[n[r]];return s}else return pl(n,i)}function pl(n,e){let{element:t,parsers:i,utf8:s=!0,schemaPath:r}=e,{type:o,converted_type:a,logical_type:l}=t,c=t.repetition_type!=="REQUIRED";if(o==="BYTE_ARRAY"&&t.name==="inline"&&r?.at(-2)?.element.logical_type?.type==="FILE"||r?.some(h=>h.element.logical_type?.type==="VARIANT")&&o==="BYTE_ARRAY"&&a!=="UTF8"&&l?.type!=="STRING")return n;if(a==="DECIMAL"){let h=t.scale||0,f=10**h,d=new Array(n.length);for(let m=0;m<d.length;m++)n[m]instanceof Uint8Array?d[m]=h>308?vs(n[m])*10**-h:vs(n[m])/f:d[m]=Number(n[m])/f;return d}if(!a&&o==="INT96")return Array.from(n).map(h=>i.timestampFromNanoseconds(qp(h)));if(a==="DATE")return Array.from(n).map(h=>i.dateFromDays(h));if(a==="TIMESTAMP_MILLIS")return Array.from(n).map(h=>i.timestampFromMilliseconds(h));if(a==="TIMESTAMP_MICROS")return Array.from(n).map(h=>i.timestampFromMicroseconds(h));if(a==="JSON")return n.map(h=>i.jsonFromBytes(h));if(a==="BSON")throw new Error("parquet bson not supported");if(a==="INTERVAL")throw new Error("parquet interval not supported");if(l?.type==="GEOMETRY")return n.map(h=>i.geometryFromBytes(h));if(l?.type==="GEOGRAPHY")return n.map(h=>i.geographyFromBytes(h));if(l?.type==="UUID")return n.map(h=>i.uuidFromBytes(h));if(a==="UTF8"||l?.type==="STRING"||s&&o==="BYTE_ARRAY")return n.map(h=>i.stringFromBytes(h));if(a==="UINT_64"||l?.type==="INTEGER"&&l.bitWidth===64&&!l.isSigned){if(n instanceof BigInt64Array)return new BigUint64Array(n.buffer,n.byteOffset,n.length);let h=c?new Array(n.length):new BigUint64Array(n.length);for(let f=0;f<h.length;f++)h[f]=n[f];return h}if(a==="UINT_32"||l?.type==="INTEGER"&&l.bitWidth===32&&!l.isSigned){if(n instanceof Int32Array)return new Uint32Array(n.buffer,n.byteOffset,n.length);let h=c?new Array(n.length):new Uint32Array(n.length);for(let f=0;f<h.length;f++)h[f]=n[f]<0?4294967296+n[f]:n[f];return h}if(l?.type==="FLOAT16")return Array.from(n).map(ml);if(l?.type==="TIMESTAMP"){let{unit:h}=l,f=i.timestampFromMilliseconds;h==="MICROS"&&(f=i.timestampFromMicroseconds),h==="NANOS"&&(f=i.timestampFromNanoseconds);let d=new Array(n.length);for(let m=0;m<d.length;m++)d[m]=f(n[m]);return d}return n}function vs(n){if(!n.length)return 0;let e=0n;for(let i of n)e=e*256n+BigInt(i);let t=n.length*8;return e>=2n**BigInt(t-1)&&(e-=2n**BigInt(t)),Number(e)}function qp(n){let e=(n>>64n)-2440588n,t=n&0xffffffffffffffffn;return e*86400000000000n+t}function ml(n){if(!n)return;let e=n[1]<<8|n[0],t=e>>15?-1:1,i=e>>10&31,s=e&1023;return i===0?t*2**-14*(s/1024):i===31?s?NaN:t*(1/0):t*2**(i-15)*(1+s/1024)}function qu(n,e,t){let i=n[e],s=[],r=1;if(i.num_children)for(;s.length<i.num_children;){let o=n[e+r],a=qu(n,e+r,[...t,o.name]);r+=a.count,s.push(a)}return{count:r,element:i,children:s,path:t}}function $u(n,e){return gl(qu(n,0,[]),e)}function gl(n,e){let t=[n];for(let i of e){let s=n.children.find(r=>r.element.name===i);if(!s)throw new Error(`parquet schema element not found: ${e}`);t.push(s),n=s}return t}function Ir(n){let e=[];function t(i){if(i.children.length)for(let s of i.children)t(s);else e.push(i.path.join("."))}return t(n),e}function _l(n){let e=0;for(let{element:t}of n)t.repetition_type==="REPEATED"&&e++;return e}function Ms(n){let e=0;for(let{element:t}of n.slice(1))t.repetition_type!=="REQUIRED"&&e++;return e}function Yu(n){if(!n||n.element.converted_type!=="LIST"||n.children.length>1)return!1;let e=n.children[0];return!(e.children.length>1||e.element.repetition_type!=="REPEATED")}function Zu(n){if(!n||n.element.converted_type!=="MAP"||n.children.length>1)return!1;let e=n.children[0];return!(e.children.length!==2||e.element.repetition_type!=="REPEATED"||e.children.find(s=>s.element.name==="key")?.element.repetition_type==="REPEATED"||e.children.find(s=>s.element.name==="value")?.element.repetition_type==="REPEATED")}function yl(n){if(n.length!==2)return!1;let[,e]=n;return!(e.element.repetition_type==="REPEATED"||e.children.length)}function yn(n){let e={},t=0;for(;;){if(n.offset>=n.view.byteLength)throw new Error("thrift struct ended without STOP");let i=n.view.getUint8(n.offset++),s=i&15;if(s===0)break;let r=i>>4;t=r?t+r:Pr(n),e[`field_${t}`]=xl(n,s)}return e}function xl(n,e){switch(e){case 1:return!0;case 2:return!1;case 3:return n.view.getInt8(n.offset++);case 4:case 5:return Pr(n);case 6:return Lr(n);case 7:{let t=n.view.getFloat64(n.offset,!0);return n.offset+=8,t}case 8:{let t=zt(n);if(n.offset+t>n.view.byteLength)throw new Error(`thrift binary length ${t} exceeds remaining ${n.view.byteLength-n.offset} bytes`);let i=new Uint8Array(n.view.buffer,n.view.byteOffset+n.offset,t);return n.offset+=t,i}case 9:{let t=n.view.getUint8(n.offset++),i=t&15,s=t>>4;s===15&&(s=zt(n));let r=i===1||i===2,o=new Array(s);for(let a=0;a<s;a++)o[a]=r?xl(n,3)===1:xl(n,i);return o}case 12:return yn(n);default:throw new Error(`thrift unhandled type: ${e}`)}}function zt(n){let e=0,t=0;for(;;){let i=n.view.getUint8(n.offset++);if(e|=(i&127)<<t,!(i&128))return e;t+=7}}function $p(n){let e=0n,t=0n;for(;;){let i=n.view.getUint8(n.offset++);if(e|=BigInt(i&127)<<t,!(i&128))return e;t+=7n}}function Pr(n){let e=zt(n);return e>>>1^-(e&1)}function Lr(n){let e=$p(n);return e>>1n^-(e&1n)}function Ju(n,e){let t=new Map,i=e?.find(({key:r})=>r==="geo")?.value,s=(i&&JSON.parse(i)?.columns)??{};for(let[r,o]of Object.entries(s)){if(o.encoding!=="WKB")continue;let a=o.edges==="spherical"?"GEOGRAPHY":"GEOMETRY",l=o.crs?.id??o.crs?.ids?.[0],c=l?`${l.authority}:${l.code.toString()}`:void 0;t.set(r,{type:a,crs:c})}for(let r=1;r<n.length;r++){let{logical_type:o,name:a,num_children:l,type:c}=n[r];if(l){r+=l;continue}c==="BYTE_ARRAY"&&!o&&(n[r].logical_type=t.get(a))}}var Yp=1<<19,Zp=new TextDecoder;function xn(n){return n&&Zp.decode(n)}async function Nr(n,{parsers:e,initialFetchSize:t=Yp,geoparquet:i=!0}={}){if(!n||!(n.byteLength>=0))throw new Error("parquet expected AsyncBuffer");let s=Math.max(0,n.byteLength-t),r=await n.slice(s,n.byteLength),o=new DataView(r);if(o.getUint32(r.byteLength-4,!0)!==827474256)throw new Error("parquet file invalid (footer != PAR1)");let a=o.getUint32(r.byteLength-8,!0);if(a>n.byteLength-8)throw new Error(`parquet metadata length ${a} exceeds available buffer ${n.byteLength-8}`);if(a+8>t){let l=n.byteLength-a-8,c=await n.slice(l,s),u=new ArrayBuffer(a+8),h=new Uint8Array(u);return h.set(new Uint8Array(c)),h.set(new Uint8Array(r),s-l),Ku(u,{parsers:e,geoparquet:i})}else return Ku(r,{parsers:e,geoparquet:i})}function Ku(n,{parsers:e,geoparquet:t=!0}={}){let i;if(n instanceof ArrayBuffer)i=new DataView(n);else if(n instanceof Uint8Array)i=new DataView(n.buffer,n.byteOffset,n.byteLength);else throw new Error("parquet expected ArrayBuffer or Uint8Array");let s={...In,...e};if(i.byteLength<8)throw new Error("parquet file is too short");if(i.getUint32(i.byteLength-4,!0)!==827474256)throw new Error("parquet file invalid (footer != PAR1)");let r=i.byteLength-8,o=i.getUint32(r,!0);if(o>i.byteLength-8)throw new Error(`parquet metadata length ${o} exceeds available buffer ${i.byteLength-8}`);let a=r-o,c=yn({view:i,offset:a}),u=c.field_1,h=c.field_2.map(p=>({type:ul[p.field_1],type_length:p.field_2,repetition_type:ku[p.field_3],name:xn(p.field_4),num_children:p.field_5,converted_type:zu[p.field_6],scale:p.field_7,precision:p.field_8,field_id:p.field_9,logical_type:Jp(p.field_10)})),f=h.filter(p=>p.type),d=c.field_3,m=c.field_4.map(p=>({columns:p.field_1.map((x,b)=>({file_path:xn(x.field_1),file_offset:x.field_2,meta_data:x.field_3&&{type:ul[x.field_3.field_1],encodings:x.field_3.field_2?.map(S=>Cn[S]),path_in_schema:x.field_3.field_3.map(xn),codec:Gu[x.field_3.field_4],num_values:x.field_3.field_5,total_uncompressed_size:x.field_3.field_6,total_compressed_size:x.field_3.field_7,key_value_metadata:x.field_3.field_8?.map(S=>({key:xn(S.field_1),value:xn(S.field_2)})),data_page_offset:x.field_3.field_9,index_page_offset:x.field_3.field_10,dictionary_page_offset:x.field_3.field_11,statistics:Kp(x.field_3.field_12,f[b],s),encoding_stats:x.field_3.field_13?.map(S=>({page_type:Tr[S.field_1],encoding:Cn[S.field_2],count:S.field_3})),bloom_filter_offset:x.field_3.field_14,bloom_filter_length:x.field_3.field_15,size_statistics:x.field_3.field_16&&{unencoded_byte_array_data_bytes:x.field_3.field_16.field_1,repetition_level_histogram:x.field_3.field_16.field_2,definition_level_histogram:x.field_3.field_16.field_3},geospatial_statistics:x.field_3.field_17&&{bbox:x.field_3.field_17.field_1&&{xmin:x.field_3.field_17.field_1.field_1,xmax:x.field_3.field_17.field_1.field_2,ymin:x.field_3.field_17.field_1.field_3,ymax:x.field_3.field_17.field_1.field_4,zmin:x.field_3.field_17.field_1.field_5,zmax:x.field_3.field_17.field_1.field_6,mmin:x.field_3.field_17.field_1.field_7,mmax:x.field_3.field_17.field_1.field_8},geospatial_types:x.field_3.field_17.field_2}},offset_index_offset:x.field_4,offset_index_length:x.field_5,column_index_offset:x.field_6,column_index_length:x.field_7,crypto_metadata:x.field_8,encrypted_column_metadata:x.field_9})),total_byte_size:p.field_2,num_rows:p.field_3,sorting_columns:p.field_4?.map(x=>({column_idx:x.field_1,descending:x.field_2,nulls_first:x.field_3})),file_offset:p.field_5,total_compressed_size:p.field_6,ordinal:p.field_7})),y=c.field_5?.map(p=>({key:xn(p.field_1),value:xn(p.field_2)})),g=xn(c.field_6);return t&&Ju(h,y),{version:u,schema:h,num_rows:d,row_groups:m,key_value_metadata:y,created_by:g,metadata_length:o}}function ln({schema:n}){return $u(n,[])[0]}function Jp(n){return n?.field_1?{type:"STRING"}:n?.field_2?{type:"MAP"}:n?.field_3?{type:"LIST"}:n?.field_4?{type:"ENUM"}:n?.field_5?{type:"DECIMAL",scale:n.field_5.field_1,precision:n.field_5.field_2}:n?.field_6?{type:"DATE"}:n?.field_7?{type:"TIME",isAdjustedToUTC:n.field_7.field_1,unit:ju(n.field_7.field_2)}:n?.field_8?{type:"TIMESTAMP",isAdjustedToUTC:n.field_8.field_1,unit:ju(n.field_8.field_2)}:n?.field_10?{type:"INTEGER",bitWidth:n.field_10.field_1,isSigned:n.field_10.field_2}:n?.field_11?{type:"NULL"}:n?.field_12?{type:"JSON"}:n?.field_13?{type:"BSON"}:n?.field_14?{type:"UUID"}:n?.field_15?{type:"FLOAT16"}:n?.field_16?{type:"VARIANT",specification_version:n.field_16.field_1}:n?.field_17?{type:"GEOMETRY",crs:xn(n.field_17.field_1)}:n?.field_18?{type:"GEOGRAPHY",crs:xn(n.field_18.field_1),algorithm:Hu[n.field_18.field_2]}:n?.field_19?{type:"FILE"}:n}function ju(n){if(n.field_1)return"MILLIS";if(n.field_2)return"MICROS";if(n.field_3)return"NANOS";throw new Error("parquet time unit required")}function Kp(n,e,t){return n&&{max:mi(n.field_1,e,t),min:mi(n.field_2,e,t),null_count:n.field_3,distinct_count:n.field_4,max_value:mi(n.field_5,e,t),min_value:mi(n.field_6,e,t),is_max_value_exact:n.field_7,is_min_value_exact:n.field_8}}function mi(n,e,t){let{type:i,converted_type:s,logical_type:r}=e;if(n===void 0)return n;if(i==="BOOLEAN")return n[0]===1;if(i==="BYTE_ARRAY")return t.stringFromBytes(n);let o=new DataView(n.buffer,n.byteOffset,n.byteLength);if(i==="FLOAT"&&o.byteLength===4)return o.getFloat32(0,!0);if(i==="DOUBLE"&&o.byteLength===8)return o.getFloat64(0,!0);if(i==="INT32"&&s==="DECIMAL"&&o.byteLength===4)return o.getInt32(0,!0)/10**(e.scale||0);if(i==="INT64"&&s==="DECIMAL"&&o.byteLength===8)return Number(o.getBigInt64(0,!0))/10**(e.scale||0);if(i==="INT32"&&s==="DATE")return t.dateFromDays(o.getInt32(0,!0));if(i==="INT64"&&s==="TIMESTAMP_MILLIS")return t.timestampFromMilliseconds(o.getBigInt64(0,!0));if(i==="INT64"&&s==="TIMESTAMP_MICROS")return t.timestampFromMicroseconds(o.getBigInt64(0,!0));if(i==="INT64"&&r?.type==="TIMESTAMP"&&r?.unit==="NANOS")return t.timestampFromNanoseconds(o.getBigInt64(0,!0));if(i==="INT64"&&r?.type==="TIMESTAMP"&&r?.unit==="MICROS")return t.timestampFromMicroseconds(o.getBigInt64(0,!0));if(i==="INT64"&&r?.type==="TIMESTAMP")return t.timestampFromMilliseconds(o.getBigInt64(0,!0));let a=s?.startsWith("UINT_")||r?.type==="INTEGER"&&!r.isSigned;if(i==="INT32"&&a&&o.byteLength===4)return o.getUint32(0,!0);if(i==="INT64"&&a&&o.byteLength===8)return o.getBigUint64(0,!0);if(i==="INT32"&&o.byteLength===4)return o.getInt32(0,!0);if(i==="INT64"&&o.byteLength===8)return o.getBigInt64(0,!0);if(s==="DECIMAL"){let l=e.scale||0;return l>308?vs(n)*10**-l:vs(n)/10**l}return r?.type==="FLOAT16"?ml(n):r?.type==="UUID"?t.uuidFromBytes(n):n}function Qu(n,e,t=void 0){let i={...In,...t},s=yn(n);return{null_pages:s.field_1,min_values:s.field_2.map(r=>mi(r,e,i)),max_values:s.field_3.map(r=>mi(r,e,i)),boundary_order:Vu[s.field_4],null_counts:s.field_5,repetition_level_histograms:s.field_6,definition_level_histograms:s.field_7}}function Ss(n){let e=yn(n);return{page_locations:e.field_1.map(t=>({offset:t.field_1,compressed_page_size:t.field_2,first_row_index:t.field_3})),unencoded_byte_array_data_bytes:e.field_2}}var bt=0xffffffffffffffffn,gi=0x9e3779b185ebca87n,bs=0xc2b2ae3d27d4eb4fn,eh=0x165667b19e3779f9n,nh=0x85ebca77c2b2ae63n,th=0x27d4eb2f165667c5n;function Yn(n,e){return(n<<e|n>>64n-e)&bt}function Fi(n,e){return n=n+e*bs&bt,n=Yn(n,31n),n*gi&bt}function Dr(n,e){return n^=Fi(0n,e),n*gi+nh&bt}function Pn(n,e=0n){let t=new DataView(n.buffer,n.byteOffset,n.byteLength),i=n.byteLength,s=0,r;if(i>=32){let o=e+gi+bs&bt,a=e+bs&bt,l=e,c=e-gi&bt;for(;s+32<=i;)o=Fi(o,t.getBigUint64(s,!0)),s+=8,a=Fi(a,t.getBigUint64(s,!0)),s+=8,l=Fi(l,t.getBigUint64(s,!0)),s+=8,c=Fi(c,t.getBigUint64(s,!0)),s+=8;r=Yn(o,1n)+Yn(a,7n)+Yn(l,12n)+Yn(c,18n)&bt,r=Dr(r,o),r=Dr(r,a),r=Dr(r,l),r=Dr(r,c)}else r=e+th&bt;for(r=r+BigInt(i)&bt;s+8<=i;)r^=Fi(0n,t.getBigUint64(s,!0)),r=Yn(r,27n)*gi+nh&bt,s+=8;for(s+4<=i&&(r^=BigInt(t.getUint32(s,!0))*gi&bt,r=Yn(r,23n)*bs+eh&bt,s+=4);s<i;)r^=BigInt(t.getUint8(s))*th&bt,r=Yn(r,11n)*gi&bt,s+=1;return r^=r>>33n,r=r*bs&bt,r^=r>>29n,r=r*eh&bt,r^=r>>32n,r}var jp=new TextEncoder,Qp=new Uint32Array([1203114875,1150766481,2284105051,2729912477,1884591559,770785867,2667333959,1550580529]);function em(n,e){return Number((n>>32n)*BigInt(e)>>32n)}function tm(n){let e=new Uint32Array(8),t=Number(n&0xffffffffn)|0;for(let i=0;i<8;i++)e[i]=1<<(Math.imul(t,Qp[i])>>>27);return e}function Ml(n,e){let t=em(e,n.length>>3)<<3,i=tm(e);for(let s=0;s<8;s++)if((n[t+s]&i[s])===0)return!1;return!0}function ih(n){let e=yn(n),t=e.field_1;if(typeof t!="number"||t<=0||t%32!==0||!e.field_2?.field_1||!e.field_3?.field_1||!e.field_4?.field_1)return;let{view:i,offset:s}=n;if(s+t>i.byteLength)throw new Error(`parquet bloom filter truncated: need ${t} bytes, have ${i.byteLength-s}`);let r=new Uint32Array(t>>2);for(let o=0;o<r.length;o++)r[o]=i.getUint32(s+o*4,!0);return n.offset=s+t,{numBytes:t,blocks:r}}function Sl(n,e){if(n==null)return;let{type:t,converted_type:i,logical_type:s}=e;if(t==="BOOLEAN")return typeof n!="boolean"?void 0:Pn(new Uint8Array([n?1:0]));if(t==="FLOAT"){if(typeof n!="number")return;let r=new ArrayBuffer(4);return new DataView(r).setFloat32(0,n,!0),Pn(new Uint8Array(r))}if(t==="DOUBLE"){if(typeof n!="number")return;let r=new ArrayBuffer(8);return new DataView(r).setFloat64(0,n,!0),Pn(new Uint8Array(r))}if(t==="INT32"){if(i==="DATE"||i==="DECIMAL"||i==="TIME_MILLIS"||s?.type==="DATE"||s?.type==="TIME"||s?.type==="DECIMAL"||typeof n!="number"||!Number.isInteger(n))return;let r=new ArrayBuffer(4);return new DataView(r).setInt32(0,n|0,!0),Pn(new Uint8Array(r))}if(t==="INT64"){if(i==="TIMESTAMP_MILLIS"||i==="TIMESTAMP_MICROS"||i==="TIME_MICROS"||i==="DECIMAL"||s?.type==="TIMESTAMP"||s?.type==="TIME"||s?.type==="DECIMAL")return;let r;if(typeof n=="bigint")r=n;else if(typeof n=="number"&&Number.isSafeInteger(n))r=BigInt(n);else return;let o=new ArrayBuffer(8);return new DataView(o).setBigUint64(0,BigInt.asUintN(64,r),!0),Pn(new Uint8Array(o))}if(t==="BYTE_ARRAY")return i==="JSON"||i==="BSON"||i==="DECIMAL"||s?.type==="JSON"||s?.type==="BSON"||s?.type==="VARIANT"||s?.type==="GEOMETRY"||s?.type==="GEOGRAPHY"?void 0:typeof n=="string"?Pn(jp.encode(n)):n instanceof Uint8Array?Pn(n):void 0;if(t==="FIXED_LEN_BYTE_ARRAY")return i==="DECIMAL"||i==="INTERVAL"||s?.type==="DECIMAL"||s?.type==="UUID"||s?.type==="FLOAT16"||s?.type==="GEOMETRY"||s?.type==="GEOGRAPHY"?void 0:n instanceof Uint8Array?Pn(n):void 0}function sh(n){let e=new Set;return vl(n,e),e}function vl(n,e){if(n){if("$and"in n&&Array.isArray(n.$and)){for(let t of n.$and)vl(t,e);return}if("$or"in n&&Array.isArray(n.$or)){for(let t of n.$or)vl(t,e);return}if(!("$nor"in n))for(let[t,i]of Object.entries(n))t.startsWith("$")||(typeof i=="object"&&i!==null&&!Array.isArray(i)?("$eq"in i||"$in"in i)&&e.add(t):e.add(t))}}function bl(n,e){for(let i=0;i<e.length;i+=1e4)n.push(...e.slice(i,i+1e4))}function Gt(n,e,t=!0){if(t?n===e:n==e)return!0;if(!n||!e||typeof n!="object"||typeof e!="object")return!1;if(n instanceof Uint8Array&&e instanceof Uint8Array){if(n.length!==e.length)return!1;for(let s=0;s<n.length;s++)if(n[s]!==e[s])return!1;return!0}if(n instanceof Date||e instanceof Date)return n instanceof Date&&e instanceof Date&&n.getTime()===e.getTime();if(Array.isArray(n)&&Array.isArray(e)){if(n.length!==e.length)return!1;for(let s=0;s<n.length;s++)if(!Gt(n[s],e[s],t))return!1;return!0}let i=Object.keys(n);if(i.length!==Object.keys(e).length)return!1;for(let s of i)if(!Gt(n[s],e[s],t))return!1;return!0}function wl(n){if(!n)return[];if(n.length===1)return n[0];let e=[];for(let t of n)bl(e,t);return e}var rh=new TextEncoder;function Bi(n){if(!n)return[];let e=[];return"$and"in n&&Array.isArray(n.$and)?e.push(...n.$and.flatMap(Bi)):"$or"in n&&Array.isArray(n.$or)?e.push(...n.$or.flatMap(Bi)):"$nor"in n&&Array.isArray(n.$nor)?e.push(...n.$nor.flatMap(Bi)):e.push(...Object.keys(n)),[...new Set(e)]}function Fr(n){return[...new Set(Bi(n).map(e=>e.split(".")[0]))]}function Zn(n,e,t=!0){return"$and"in e&&Array.isArray(e.$and)?e.$and.every(i=>Zn(n,i,t)):"$or"in e&&Array.isArray(e.$or)?e.$or.some(i=>Zn(n,i,t)):"$nor"in e&&Array.isArray(e.$nor)?!e.$nor.some(i=>Zn(n,i,t)):Object.entries(e).every(([i,s])=>{let r=sm(n,i);return typeof s!="object"||s===null||Array.isArray(s)?Gt(r,s,t):Object.entries(s||{}).every(([o,a])=>o==="$gt"?r!=null&&r>a:o==="$gte"?r!=null&&r>=a:o==="$lt"?r!=null&&r<a:o==="$lte"?r!=null&&r<=a:o==="$eq"?Gt(r,a,t):o==="$ne"?!Gt(r,a,t):o==="$in"?Array.isArray(a)&&oh(r,a,t):o==="$nin"?Array.isArray(a)&&!oh(r,a,t):o==="$not"?!Zn({value:r},{value:a},t):!0)})}function oh(n,e,t){return e.some(i=>Gt(n,i,t)||Array.isArray(n)&&n.some(s=>Gt(s,i,t)))}function ki({rowGroup:n,physicalColumns:e,filter:t,strict:i=!0,bloomFilters:s,schemaElements:r}){if(!t)return!1;if("$and"in t&&Array.isArray(t.$and))return t.$and.some(o=>ki({rowGroup:n,physicalColumns:e,filter:o,strict:i,bloomFilters:s,schemaElements:r}));if("$or"in t&&Array.isArray(t.$or))return t.$or.every(o=>ki({rowGroup:n,physicalColumns:e,filter:o,strict:i,bloomFilters:s,schemaElements:r}));if("$nor"in t&&Array.isArray(t.$nor))return!1;for(let[o,a]of Object.entries(t)){let l=e.indexOf(o);if(l===-1)continue;let c=n.columns[l].meta_data?.statistics,{min:u,max:h,min_value:f,max_value:d,null_count:m}=c||{},y=f!==void 0?f:u,g=d!==void 0?d:h,p=y!==void 0&&g!==void 0,x=s?.[o],b=r?.[o],S=Zn({value:null},{value:a},i)&&(m===void 0||m>0);if(p&&!S&&ch(a,y,g,i,b))return!0;for(let[E,T]of Object.entries(a||{}))if(x&&b){if(E==="$eq"){let _=Sl(T,b);if(_!==void 0&&!Ml(x.blocks,_))return!0}if(E==="$in"&&Array.isArray(T)&&T.length>0){let _=!0;for(let w of T){let D=Sl(w,b);if(D===void 0||Ml(x.blocks,D)){_=!1;break}}if(_)return!0}}}return!1}function ch(n,e,t,i,s){if(e===void 0||t===void 0)return!1;let r=s?.type==="FLOAT"||s?.type==="DOUBLE"||s?.logical_type?.type==="FLOAT16";for(let[o,a]of Object.entries(n||{})){let l=Oi(e,a,i,s),c=Oi(t,a,i,s),h=!(e instanceof Uint8Array||t instanceof Uint8Array)&&(s?.type!=="BYTE_ARRAY"||typeof a=="string"&&[...a].every(f=>f.charCodeAt(0)<=127));if(o==="$gt"&&h&&c!==void 0&&c<=0||o==="$gte"&&h&&c!==void 0&&c<0||o==="$lt"&&h&&l!==void 0&&l>=0||o==="$lte"&&h&&l!==void 0&&l>0)return!0;if(o==="$eq"){let f=Oi(a,e,i,s),d=Oi(a,t,i,s);if(f!==void 0&&f<0||d!==void 0&&d>0)return!0}if(o==="$ne"&&!r&&Gt(e,t,i)&&Gt(e,a,i)||o==="$in"&&Array.isArray(a)&&a.every(f=>{let d=Oi(f,e,i,s),m=Oi(f,t,i,s);return d!==void 0&&d<0||m!==void 0&&m>0})||o==="$nin"&&!r&&Array.isArray(a)&&Gt(e,t,i)&&a.some(f=>Gt(e,f,i)))return!0}return!1}function Oi(n,e,t,i){if(i?.type==="BYTE_ARRAY")return typeof n!="string"||typeof e!="string"?void 0:ah(rh.encode(n),rh.encode(e));if(n instanceof Uint8Array||e instanceof Uint8Array)return!(n instanceof Uint8Array)||!(e instanceof Uint8Array)?void 0:ah(n,e);if(n<e)return-1;if(n>e)return 1;if(Gt(n,e,t))return 0}function ah(n,e){let t=Math.min(n.length,e.length);for(let i=0;i<t;i++){if(n[i]<e[i])return-1;if(n[i]>e[i])return 1}return n.length<e.length?-1:n.length>e.length?1:0}function nm(n,e){return Zn({value:null},{value:n},e)}function Ur(n,e,t,i=!0){if(!n)return;if("$and"in n&&Array.isArray(n.$and)){let r;for(let o of n.$and)r=lh(r,Ur(o,e,t,i));return r}if("$or"in n&&Array.isArray(n.$or)){let r=[];for(let o of n.$or){let a=Ur(o,e,t,i);if(!a)return;r=im(r,a)}return r}if("$nor"in n&&Array.isArray(n.$nor))return;let s;for(let[r,o]of Object.entries(n)){let a=e[r];if(!a)continue;let l=nm(o,i),c=[];for(let u=0;u<a.pageStarts.length;u++){let h=a.pageStarts[u],f=u+1<a.pageStarts.length?a.pageStarts[u+1]:t,d=a.nullCounts?.[u],m=l&&(d===void 0||d>0);if(!(!a.nullPages[u]&&!m&&ch(o,a.minValues[u],a.maxValues[u],i,a.element))){let g=c[c.length-1];g&&g[1]===h?g[1]=f:c.push([h,f])}}s=lh(s,c)}return s}function lh(n,e){if(!n)return e;if(!e)return n;let t=[],i=0,s=0;for(;i<n.length&&s<e.length;){let r=Math.max(n[i][0],e[s][0]),o=Math.min(n[i][1],e[s][1]);r<o&&t.push([r,o]),n[i][1]<e[s][1]?i++:s++}return t}function im(n,e){let t=[],i=0,s=0;for(;i<n.length||s<e.length;){let r=s>=e.length||i<n.length&&n[i][0]<=e[s][0]?n[i++]:e[s++],o=t[t.length-1];o&&r[0]<=o[1]?o[1]=Math.max(o[1],r[1]):t.push([r[0],r[1]])}return t}function sm(n,e){let t=n;for(let i of e.split("."))t=t?.[i];return t}var uh=1<<21,rm=8192;function fh(n){let{metadata:e,rowStart:t=0,columns:i,useOffsetIndex:s=!1}=n;if(!e)throw new Error("parquetPlan requires metadata");let r=[],o=[],a=[],l=dh(n);for(let c of l.groups){let u=ph({...c,columns:i,useOffsetIndex:s});r.push(...u.groups),o.push(...u.fetches),a.push(...u.indexes)}return o.push(...a),{metadata:e,rowStart:t,rowEnd:l.rowEnd,columns:i,fetches:o,groups:r}}function dh({metadata:n,rowStart:e=0,rowEnd:t=1/0,columns:i,filter:s,filterStrict:r=!0,bloomFiltersByGroup:o,schemaElements:a,pageRangesByGroup:l,pageLocationsByGroup:c}){if(!n)throw new Error("parquetPlan requires metadata");let u=ln(n),h=Ir(u),f=s?{...yh(u),...a}:a,d=[],m=0;for(let y=0;y<n.row_groups.length;y++){let g=n.row_groups[y],p=Number(g.num_rows),x=m+p;if(p>0&&x>e&&m<t&&!ki({rowGroup:g,physicalColumns:h,filter:s,strict:r,bloomFilters:o?.[y],schemaElements:f})){let b=Math.max(e-m,0),S=Math.min(t-m,p),E=l?.[y],T=c?.[y],_=E?E.map(([w,D])=>[Math.max(w,b),Math.min(D,S)]).filter(([w,D])=>w<D):[[b,S]];_.length>1&&(_=g.columns.every(D=>{let P=D.meta_data?.path_in_schema[0],N=D.meta_data?.path_in_schema.join(".");return i&&P&&!i.includes(P)?!0:!!(D.offset_index_offset&&D.offset_index_length)||!!(N&&T?.[N])})?om(_,g,i,T):[[_[0][0],_[_.length-1][1]]]),_.length&&d.push({rowGroup:g,groupIndex:y,groupStart:m,groupRows:p,ranges:_,pageRanges:E,pageLocations:T})}m=x}return{groups:d,rowEnd:isFinite(t)?t:m}}function ph({rowGroup:n,groupStart:e,groupRows:t,ranges:i,columns:s,useOffsetIndex:r=!1,pageRanges:o,pageLocations:a}){let l=[],c=[],u=[],h=i.length>1||i[0][0]>0||i[0][1]<t;for(let y of n.columns){let g=y.meta_data;if(y.file_path)throw new Error("parquet file_path not supported");if(!g)throw new Error("parquet column metadata is undefined");if(s&&!s.includes(g.path_in_schema[0]))continue;let p=g.dictionary_page_offset||g.data_page_offset,x=Number(p),b=Number(p+g.total_compressed_size),S=a?.[g.path_in_schema.join(".")];if(S&&h)l.push({columnMetadata:g,pageLocations:S,range:{startByte:x,endByte:b}});else if((r||o)&&y.offset_index_offset&&y.offset_index_length&&h){let E=Number(y.offset_index_offset);l.push({columnMetadata:g,offsetIndex:{startByte:E,endByte:E+y.offset_index_length},range:{startByte:Number(p),endByte:b}})}else l.push({columnMetadata:g,range:{startByte:x,endByte:b}})}let f=[],d;for(let y of l)"pageLocations"in y||("offsetIndex"in y?u.push(y.offsetIndex):s?f.push(y.range):d&&y.range.endByte-d.startByte<=uh?d.endByte=y.range.endByte:(d&&c.push(d),d={...y.range}));return d&&c.push(d),c.push(..._h(f,rm,uh)),{groups:i.map(([y,g])=>({chunks:l,rowGroup:n,groupStart:e,groupRows:t,selectStart:y,selectEnd:g})),fetches:c,indexes:u}}function om(n,e,t,i){let s=e.columns.filter(o=>!t||t.includes(o.meta_data?.path_in_schema[0]||"")).map(o=>i?.[o.meta_data?.path_in_schema.join(".")||""]),r=[];for(let o of n){let a=r[r.length-1],l=a&&s.some(c=>{if(!c)return!0;let u=hh(a,c,Number(e.num_rows)),h=hh(o,c,Number(e.num_rows));return u[0]<=h[1]&&h[0]<=u[1]});a&&l?a[1]=o[1]:r.push([...o])}return r}function hh([n,e],t,i){let s=1/0,r=-1/0;for(let o=0;o<t.length;o++){let a=Number(t[o].first_row_index);(o+1<t.length?Number(t[o+1].first_row_index):i)>n&&a<e&&(s=Math.min(s,o),r=o)}return[s,r]}async function mh({file:n,metadata:e,filter:t,filterStrict:i=!0}){let s=e.row_groups.map(()=>({})),r=sh(t);if(r.size===0)return s;let o=Ir(ln(e)),a=[];return e.row_groups.forEach((l,c)=>{if(!ki({rowGroup:l,physicalColumns:o,filter:t,strict:i}))for(let u of r){let h=o.indexOf(u);if(h===-1)continue;let f=l.columns[h]?.meta_data;if(!f?.bloom_filter_offset||!f.bloom_filter_length)continue;let d=Number(f.bloom_filter_offset),m=d+f.bloom_filter_length;a.push((async()=>{let y=await n.slice(d,m),g=ih({view:new DataView(y),offset:0});g&&(s[c][u]=g)})())}}),a.length&&await Promise.all(a),s}async function gh({file:n,metadata:e,filter:t,filterStrict:i=!0,rowStart:s=0,rowEnd:r=1/0,columns:o,bloomFiltersByGroup:a,schemaElements:l,parsers:c}){let u=e.row_groups.map(()=>{}),h=e.row_groups.map(()=>({}));if(t&&"$nor"in t&&Array.isArray(t.$nor))return{pageRangesByGroup:u,pageLocationsByGroup:h};let f=Bi(t);if(!f.length)return{pageRangesByGroup:u,pageLocationsByGroup:h};let d=ln(e),m=Ir(d),y={...yh(d),...l},g=[],p=[],x=[],b=0;if(e.row_groups.forEach((S,E)=>{let T=Number(S.num_rows),_=b+T,w=T>0&&_>s&&b<r;if(b=_,!w||ki({rowGroup:S,physicalColumns:m,filter:t,strict:i,bloomFilters:a?.[E],schemaElements:y}))return;let D={},P=0,N=new Set,k=!1;for(let W of f){let C=m.indexOf(W);if(C===-1)continue;let G=S.columns[C];if(!G?.meta_data||!G.column_index_offset||!G.column_index_length||!G.offset_index_offset||!G.offset_index_length)continue;let B=y[W];if(!B)continue;k=!0,N.add(W);let ee=Number(G.column_index_offset),H=Number(G.offset_index_offset),j=ee+G.column_index_length,Q=H+G.offset_index_length;g.push({startByte:ee,endByte:j},{startByte:H,endByte:Q}),P++,p.push(async ve=>{let[Pe,Y]=await Promise.all([ve.slice(ee,j),ve.slice(H,Q)]),fe=Qu({view:new DataView(Pe),offset:0},B,c),ye=Ss({view:new DataView(Y),offset:0});h[E][W]=ye.page_locations,D[W]={minValues:fe.min_values,maxValues:fe.max_values,nullPages:fe.null_pages,nullCounts:fe.null_counts,pageStarts:ye.page_locations.map(Ee=>Number(Ee.first_row_index)),element:B}})}if(k)for(let W of S.columns){let C=W.meta_data;if(!C)continue;let G=C.path_in_schema[0],$=C.path_in_schema.join(".");if(o&&!o.includes(G)||N.has($)||!W.offset_index_offset||!W.offset_index_length)continue;N.add($);let B=Number(W.offset_index_offset),ee=B+W.offset_index_length;g.push({startByte:B,endByte:ee}),P++,p.push(async H=>{let j=await H.slice(B,ee),Q=Ss({view:new DataView(j),offset:0});h[E][$]=Q.page_locations})}P&&x.push({rgIdx:E,groupRows:T,columnPages:D})}),p.length){let S=Al(n,{fetches:_h(g)});await Promise.all(p.map(E=>E(S)));for(let{rgIdx:E,groupRows:T,columnPages:_}of x)u[E]=Ur(t,_,T,i)}return{pageRangesByGroup:u,pageLocationsByGroup:h}}function _h(n,e=0,t=1/0){let i=n.map(r=>({...r})).sort((r,o)=>r.startByte-o.startByte||r.endByte-o.endByte),s=[];for(let r of i){let o=s[s.length-1];o&&r.startByte<=o.endByte+e&&Math.max(o.endByte,r.endByte)-o.startByte<=t?o.endByte=Math.max(o.endByte,r.endByte):s.push(r)}return s}function yh(n){let e={};function t(i){if(i.children.length)for(let s of i.children)t(s);else e[i.path.join(".")]=i.element}return t(n),e}function Al(n,{fetches:e}){let t=e.map(({startByte:i,endByte:s})=>n.slice(i,s));return{byteLength:n.byteLength,slice(i,s=n.byteLength){let r=e.findIndex(({startByte:o,endByte:a})=>o<=i&&s<=a);if(r<0)return n.slice(i,s);if(e[r].startByte!==i||e[r].endByte!==s){let o=i-e[r].startByte,a=s-e[r].startByte;return t[r]instanceof Promise?t[r].then(l=>l.slice(o,a)):t[r].slice(o,a)}else return t[r]}}}var Tl=new TextDecoder,xh=new WeakMap;function Rl(n,e=In){if(Array.isArray(n))return n.map(t=>Rl(t,e));if(typeof n!="object")return n;if("metadata"in n){let t=am(n.metadata),i=n.typed_value&&Or(n.typed_value,t,e),s=n.value&&ws(Br(n.value),t,e);return i&&s?{...s,...i}:i??s}return n}function Or(n,e,t){if(n instanceof Date)return n;if(n&&typeof n=="object"&&!Array.isArray(n)&&!(n instanceof Uint8Array)){if("typed_value"in n&&n.typed_value!==null&&n.typed_value!==void 0)return Or(n.typed_value,e,t);if("value"in n&&n.value instanceof Uint8Array)return ws(Br(n.value),e,t);if("typed_value"in n||"value"in n)return null;let i={};for(let[s,r]of Object.entries(n))e.dictionary.includes(s)&&(i[s]=Or(r,e,t));return i}return n instanceof Uint8Array?ws(Br(n),e,t):Array.isArray(n)?n.map(i=>Or(i,e,t)):n}function Br(n){return{view:new DataView(n.buffer,n.byteOffset,n.byteLength),offset:0}}function am(n){let e=xh.get(n.buffer);e||(e=new Map,xh.set(n.buffer,e));let t=`${n.byteOffset}:${n.byteLength}`,i=e.get(t);if(i)return i;let s=Br(n),r=s.view.getUint8(s.offset++),o=r&15;if(o!==1)throw new Error(`parquet unsupported variant metadata version: ${o}`);let a=(r>>4&1)===1,l=(r>>6&3)+1,c=_i(s,l),u=new Array(c+1);for(let m=0;m<u.length;m++)u[m]=_i(s,l);let h=s.offset,f=new Array(c);for(let m=0;m<c;m++){let y=u[m],g=u[m+1],p=new Uint8Array(n.buffer,n.byteOffset+h+y,g-y);f[m]=Tl.decode(p)}let d={dictionary:f,sorted:a};return e.set(t,d),d}function _i(n,e){let t=0;for(let i=0;i<e;i++)t|=n.view.getUint8(n.offset+i)<<i*8;return n.offset+=e,t}function ws(n,e,t){let i=n.view.getUint8(n.offset++),s=i&3,r=i>>2;if(s===0)return lm(n,r,t);if(s===2)return cm(n,r,e,t);if(s===3)return um(n,r,e,t);let o=new Uint8Array(n.view.buffer,n.view.byteOffset+n.offset,r);return n.offset+=r,Tl.decode(o)}function lm(n,e,t){switch(e){case 0:return null;case 1:return!0;case 2:return!1;case 3:{let i=n.view.getInt8(n.offset);return n.offset+=1,i}case 4:{let i=n.view.getInt16(n.offset,!0);return n.offset+=2,i}case 5:{let i=n.view.getInt32(n.offset,!0);return n.offset+=4,i}case 6:{let i=n.view.getBigInt64(n.offset,!0);return n.offset+=8,i}case 7:{let i=n.view.getFloat64(n.offset,!0);return n.offset+=8,i}case 8:return El(n,4);case 9:return El(n,8);case 10:return El(n,16);case 11:{let i=n.view.getInt32(n.offset,!0);return n.offset+=4,t.dateFromDays(i)}case 12:case 13:{let i=n.view.getBigInt64(n.offset,!0);return n.offset+=8,t.timestampFromMicroseconds(i)}case 14:{let i=n.view.getFloat32(n.offset,!0);return n.offset+=4,i}case 15:return vh(n);case 16:{let i=vh(n);return Tl.decode(i)}case 17:{let i=n.view.getBigInt64(n.offset,!0);return n.offset+=8,i}case 18:case 19:{let i=n.view.getBigInt64(n.offset,!0);return n.offset+=8,t.timestampFromNanoseconds(i)}case 20:{let i=new Uint8Array(n.view.buffer,n.view.byteOffset+n.offset,16);n.offset+=16;let s=Array.from(i,r=>r.toString(16).padStart(2,"0")).join("");return`${s.slice(0,8)}-${s.slice(8,12)}-${s.slice(12,16)}-${s.slice(16,20)}-${s.slice(20)}`}default:throw new Error(`parquet unsupported variant primitive type: ${e}`)}}function cm(n,e,t,i){let s=(e&3)+1,r=(e>>2&3)+1,a=e>>4&1?_i(n,4):n.view.getUint8(n.offset++),l=new Array(a);for(let h=0;h<a;h++)l[h]=_i(n,r);let c=new Array(a+1);for(let h=0;h<c.length;h++)c[h]=_i(n,s);let u={};for(let h=0;h<a;h++){let f=t.dictionary[l[h]],d={view:n.view,offset:n.offset+c[h]};u[f]=ws(d,t,i)}return n.offset+=c[c.length-1],u}function um(n,e,t,i){let s=e&3,r=e>>2&1,o=s+1,a=_i(n,r?4:1),l=new Array(a+1);for(let h=0;h<l.length;h++)l[h]=_i(n,o);let c=n.offset,u=new Array(a);for(let h=0;h<a;h++){let f={view:n.view,offset:c+l[h]};u[h]=ws(f,t,i)}return n.offset=c+l[l.length-1],u}function El(n,e){let t=n.view.getUint8(n.offset);n.offset+=1;let i;if(e===4)i=BigInt(n.view.getInt32(n.offset,!0)),n.offset+=4;else if(e===8)i=n.view.getBigInt64(n.offset,!0),n.offset+=8;else{let s=n.view.getBigUint64(n.offset,!0);i=n.view.getBigInt64(n.offset+8,!0)<<64n|s,n.offset+=16}return Number(i)/10**t}function vh(n){let e=n.view.getUint32(n.offset,!0);n.offset+=4;let t=new Uint8Array(n.view.buffer,n.view.byteOffset+n.offset,e);return n.offset+=e,t}function Cl(n,e,t,i,s){let r=Ms(s);if(!e?.length&&!t.length){if(!r||!i.length)return i;e=new Array(i.length).fill(r)}let o=e?.length||t.length,a=s.map(({element:m})=>m.repetition_type),l=0,c=[n],u=n,h=0,f=0,d=0;if(t[0])for(;h<a.length-2&&d<t[0];)h++,a[h]!=="REQUIRED"&&(u=u.at(-1),c.push(u),f++),a[h]==="REPEATED"&&d++;for(let m=0;m<o;m++){let y=e?.length?e[m]:r,g=t[m];for(;h&&(g<d||a[h]!=="REPEATED");)a[h]!=="REQUIRED"&&(c.pop(),f--),a[h]==="REPEATED"&&d--,h--;for(u=c.at(-1);(h<a.length-2||a[h+1]==="REPEATED")&&(f<y||a[h+1]==="REQUIRED");){if(h++,a[h]!=="REQUIRED"){let p=[];u.push(p),u=p,c.push(p),f++}a[h]==="REPEATED"&&d++}y===r?u.push(i[l++]):h===a.length-2?u.push(a[h+1]==="REPEATED"?[]:null):u.push([])}if(!n.length)for(let m=0;m<r;m++){let y=[];u.push(y),u=y}return n}function zi(n,e,t,i=0){let s=e.path.join("."),r=e.element.repetition_type==="OPTIONAL",o=r?i+1:i;if(Yu(e)){let a=e.children[0],l=o;a.children.length===1&&(a=a.children[0],l++),zi(n,a,t,l);let c=a.path.join("."),u=n.get(c);if(!u)throw new Error("parquet list column missing values");r&&kr(u,i),n.set(s,u),n.delete(c);return}if(Zu(e)){let a=e.children[0].element.name;zi(n,e.children[0].children[0],t,o+1),zi(n,e.children[0].children[1],t,o+1);let l=n.get(`${s}.${a}.key`),c=n.get(`${s}.${a}.value`);if(!l)throw new Error("parquet map column missing keys");if(!c)throw new Error("parquet map column missing values");if(l.length!==c.length)throw new Error("parquet map column key/value length mismatch");let u=Mh(l,c,o);r&&kr(u,i),n.delete(`${s}.${a}.key`),n.delete(`${s}.${a}.value`),n.set(s,u);return}if(e.children.length){let a=e.element.repetition_type==="REQUIRED"?i:i+1,l={};for(let u of e.children){zi(n,u,t,a);let h=n.get(u.path.join("."));if(!h)throw new Error("parquet struct missing child data");l[u.element.name]=h}for(let u of e.children)n.delete(u.path.join("."));let c=Sh(l,a);e.element.logical_type?.type==="VARIANT"&&(c=Rl(c,t)),r&&kr(c,i),n.set(s,c)}}function kr(n,e){for(let t=0;t<n.length;t++)e?kr(n[t],e-1):n[t]=n[t].length?n[t][0]:null}function Mh(n,e,t){let i=[];for(let s=0;s<n.length;s++)if(t)i.push(Mh(n[s],e[s],t-1));else if(n[s]){let r={};for(let o=0;o<n[s].length;o++){let a=e[s][o];r[n[s][o]]=a===void 0?null:a}i.push(r)}else i.push(void 0);return i}function Sh(n,e){let t=Object.keys(n),i=n[t[0]]?.length,s=[];for(let r=0;r<i;r++){let o={};for(let a of t){if(n[a].length!==i)throw new Error("parquet struct parsing error");o[a]=n[a][r]}e?s.push(Sh(o,e-1)):s.push(o)}return s}var bh=[1,10,100,1e3,1e4,1e5,1e6,1e7,1e8,1e9,1e10,1e11,1e12,1e13,1e14,1e15,1e16,1e17,1e18],wh=[1,.1,.01,.001,1e-4,1e-5,1e-6,1e-7,1e-8,1e-9,1e-10,1e-11,1e-12,1e-13,1e-14,1e-15,1e-16,1e-17,1e-18],hm=bh.slice(0,11).map(Math.fround),fm=wh.slice(0,11).map(Math.fround);function Il(n,e,t){if(t==="FLOAT")return dm(n,e);if(t==="DOUBLE")return pm(n,e);throw new Error(`ALP encoding unsupported type: ${t}`)}function Ah(n){let{view:e}=n,t=e.getUint8(n.offset++);if(t!==0)throw new Error(`ALP unsupported compression mode: ${t}`);let i=e.getUint8(n.offset++);if(i!==0)throw new Error(`ALP unsupported integer encoding: ${i}`);let s=e.getUint8(n.offset++);if(s<3||s>15)throw new Error(`ALP invalid log_vector_size: ${s}`);let r=1<<s,o=e.getInt32(n.offset,!0);n.offset+=4;let a=Math.ceil(o/r),l=n.offset;return n.offset+=a*4,{vectorSize:r,numElements:o,numVectors:a,offsetArrayStart:l}}function dm(n,e){let{view:t}=n,{vectorSize:i,numElements:s,numVectors:r,offsetArrayStart:o}=Ah(n);if(s!==e)throw new Error(`ALP num_elements ${s} does not match expected ${e}`);let a=new Float32Array(e),l=new Uint8Array(a.buffer);for(let c=0;c<r;c++){n.offset=o+t.getUint32(o+c*4,!0);let u=c*i,h=Math.min(i,s-u),f=t.getUint8(n.offset++),d=t.getUint8(n.offset++),m=t.getUint16(n.offset,!0);n.offset+=2;let y=t.getInt32(n.offset,!0);n.offset+=4;let g=t.getUint8(n.offset++),p=Th(n,h,g),x=hm[d],b=fm[f];for(let S=0;S<h;S++){let E=p[S]+y|0;a[u+S]=Math.fround(Math.fround(E)*x)*b}Eh(n,m,4,l,u)}return a}function pm(n,e){let{view:t}=n,{vectorSize:i,numElements:s,numVectors:r,offsetArrayStart:o}=Ah(n);if(s!==e)throw new Error(`ALP num_elements ${s} does not match expected ${e}`);let a=new Float64Array(e),l=new Uint8Array(a.buffer);for(let c=0;c<r;c++){n.offset=o+t.getUint32(o+c*4,!0);let u=c*i,h=Math.min(i,s-u),f=t.getUint8(n.offset++),d=t.getUint8(n.offset++),m=t.getUint16(n.offset,!0);n.offset+=2;let y=t.getBigInt64(n.offset,!0);n.offset+=8;let g=t.getUint8(n.offset++),p=bh[d],x=wh[f],b=Number(y);if(g<=32&&Number.isSafeInteger(b)){let S=Th(n,h,g);for(let E=0;E<h;E++)a[u+E]=(S[E]+b)*p*x}else{let S=mm(n,h,g);for(let E=0;E<h;E++){let T=BigInt.asIntN(64,S[E]+y);a[u+E]=Number(T)*p*x}}Eh(n,m,8,l,u)}return a}function Eh(n,e,t,i,s){if(!e)return;let{view:r}=n,o=n.offset,a=o+e*2,l=new Uint8Array(r.buffer,r.byteOffset+a,e*t);for(let c=0;c<e;c++){let u=r.getUint16(o+c*2,!0),h=(s+u)*t;i.set(l.subarray(c*t,(c+1)*t),h)}n.offset=a+e*t}function Th(n,e,t){let i=new Uint32Array(e);if(!t)return i;let{view:s}=n,r=n.offset,o=2**t,a=0;for(let l=0;l<e;l++){let c=r+(a>>>3),u=a&7,h=s.getUint8(c++)>>>u,f=8-u;for(;f<t;)h+=s.getUint8(c++)*2**f,f+=8;i[l]=h%o,a+=t}return n.offset=r+Math.ceil(e*t/8),i}function mm(n,e,t){let i=new BigUint64Array(e);if(!t)return i;let{view:s}=n,r=n.offset,o=(1n<<BigInt(t))-1n,a=0n,l=0,c=r;for(let u=0;u<e;u++){for(;l<t;)a|=BigInt(s.getUint8(c++))<<BigInt(l),l+=8;i[u]=a&o,a>>=BigInt(t),l-=t}return n.offset=r+Math.ceil(e*t/8),i}function Gi(n,e,t){if(t instanceof Int32Array){gm(n,e,t);return}let i=zt(n),s=zt(n);zt(n);let r=Lr(n),o=0;t[o++]=r;let a=i/s;for(;o<e;){let l=Lr(n),c=new Uint8Array(s);for(let u=0;u<s;u++)c[u]=n.view.getUint8(n.offset++);for(let u=0;u<s&&o<e;u++){let h=c[u];if(h){let f=0,d=a,m=(1n<<BigInt(h))-1n;for(;d&&o<e;){let y=BigInt(n.view.getUint32(n.offset,!0)>>>f)&m;for(f+=h;f>=32;)f-=32,n.offset+=4,f&&(y|=BigInt(n.view.getUint32(n.offset,!0))<<BigInt(h-f)&m);let g=l+y;r+=g,t[o++]=r,d--}d&&(n.offset+=Math.ceil((d*h+f)/8))}else for(let f=0;f<a&&o<e;f++)r+=l,t[o++]=r}}}function gm(n,e,t){let i=zt(n),s=zt(n);zt(n);let r=Pr(n),o=0;t[o++]=r;let a=i/s,{view:l}=n;for(;o<e;){let c=_m(n),u=n.offset,h=u+s;for(let f=0;f<s&&o<e;f++){let d=l.getUint8(u+f),m=h+a*d/8,y=0;for(let g=0;g<a&&o<e;g++){let p=0,x=0;for(;x<d;){let b=Math.min(8-y,d-x);x<32&&(p|=(l.getUint8(h)>>>y&(1<<b)-1)<<x),x+=b,y+=b,y===8&&(y=0,h++)}r=r+c+p|0,t[o++]=r}h=m}n.offset=h}}function _m(n){let e=n.offset,t=zt(n),i=n.offset-e===5?n.view.getUint8(e+4)>>>4&1:0;return(t>>>1|i<<31)^-(t&1)}function Pl(n,e,t){let i=new Int32Array(e);Gi(n,e,i);for(let s=0;s<e;s++)t[s]=new Uint8Array(n.view.buffer,n.view.byteOffset+n.offset,i[s]),n.offset+=i[s]}function Ll(n,e,t){let i=new Int32Array(e);Gi(n,e,i);let s=new Int32Array(e);Gi(n,e,s);for(let r=0;r<e;r++){let o=new Uint8Array(n.view.buffer,n.view.byteOffset+n.offset,s[r]);i[r]?(t[r]=new Uint8Array(i[r]+s[r]),t[r].set(t[r-1].subarray(0,i[r])),t[r].set(o,i[r])):t[r]=o,n.offset+=s[r]}}function Ln(n,e,t,i){i===void 0&&(i=n.view.getUint32(n.offset,!0),n.offset+=4);let s=n.offset,r=0;for(;r<t.length;){let o=zt(n);if(o&1)r=xm(n,o,e,t,r);else{let a=o>>>1;ym(n,a,e,t,r),r+=a}}n.offset=s+i}function ym(n,e,t,i,s){let r=t+7>>3,o=0;for(let a=0;a<r;a++)o|=n.view.getUint8(n.offset++)<<(a<<3);for(let a=0;a<e;a++)i[s+a]=o}function xm(n,e,t,i,s){let r=e>>1<<3,o=(1<<t)-1,a=0;if(n.offset<n.view.byteLength)a=n.view.getUint8(n.offset++);else if(o)throw new Error(`parquet bitpack offset ${n.offset} out of range`);let l=8,c=0;for(;r;)c>8?(c-=8,l-=8,a>>>=8):l-c<t?(a|=n.view.getUint8(n.offset)<<l,n.offset++,l+=8):(s<i.length&&(i[s++]=a>>c&o),r--,c+=t);return s}function Nl(n,e,t,i){let s=vm(t,i),r=new Uint8Array(e*s);for(let o=0;o<s;o++)for(let a=0;a<e;a++)r[a*s+o]=n.view.getUint8(n.offset++);if(t==="FLOAT")return new Float32Array(r.buffer);if(t==="DOUBLE")return new Float64Array(r.buffer);if(t==="INT32")return new Int32Array(r.buffer);if(t==="INT64")return new BigInt64Array(r.buffer);if(t==="FIXED_LEN_BYTE_ARRAY"){let o=new Array(e);for(let a=0;a<e;a++)o[a]=r.subarray(a*s,(a+1)*s);return o}throw new Error(`parquet byte_stream_split unsupported type: ${t}`)}function vm(n,e){switch(n){case"INT32":case"FLOAT":return 4;case"INT64":case"DOUBLE":return 8;case"FIXED_LEN_BYTE_ARRAY":if(!e)throw new Error("parquet byteWidth missing type_length");return e;default:throw new Error(`parquet unsupported type: ${n}`)}}function As(n,e,t,i){if(t===0)return[];if(e==="BOOLEAN")return Mm(n,t);if(e==="INT32")return Sm(n,t);if(e==="INT64")return bm(n,t);if(e==="INT96")return wm(n,t);if(e==="FLOAT")return Am(n,t);if(e==="DOUBLE")return Em(n,t);if(e==="BYTE_ARRAY")return Tm(n,t);if(e==="FIXED_LEN_BYTE_ARRAY"){if(!i)throw new Error("parquet missing fixed length");return Rm(n,t,i)}else throw new Error(`parquet unhandled type: ${e}`)}function Mm(n,e){let t=new Array(e);for(let i=0;i<e;i++){let s=n.offset+(i/8|0),r=i%8,o=n.view.getUint8(s);t[i]=(o&1<<r)!==0}return n.offset+=Math.ceil(e/8),t}function Sm(n,e){let t=(n.view.byteOffset+n.offset)%4?new Int32Array(zr(n.view.buffer,n.view.byteOffset+n.offset,e*4)):new Int32Array(n.view.buffer,n.view.byteOffset+n.offset,e);return n.offset+=e*4,t}function bm(n,e){let t=(n.view.byteOffset+n.offset)%8?new BigInt64Array(zr(n.view.buffer,n.view.byteOffset+n.offset,e*8)):new BigInt64Array(n.view.buffer,n.view.byteOffset+n.offset,e);return n.offset+=e*8,t}function wm(n,e){let t=new Array(e);for(let i=0;i<e;i++){let s=n.view.getBigInt64(n.offset+i*12,!0),r=n.view.getInt32(n.offset+i*12+8,!0);t[i]=BigInt(r)<<64n|s}return n.offset+=e*12,t}function Am(n,e){let t=(n.view.byteOffset+n.offset)%4?new Float32Array(zr(n.view.buffer,n.view.byteOffset+n.offset,e*4)):new Float32Array(n.view.buffer,n.view.byteOffset+n.offset,e);return n.offset+=e*4,t}function Em(n,e){let t=(n.view.byteOffset+n.offset)%8?new Float64Array(zr(n.view.buffer,n.view.byteOffset+n.offset,e*8)):new Float64Array(n.view.buffer,n.view.byteOffset+n.offset,e);return n.offset+=e*8,t}function Tm(n,e){let t=new Array(e);for(let i=0;i<e;i++){let s=n.view.getUint32(n.offset,!0);n.offset+=4,t[i]=new Uint8Array(n.view.buffer,n.view.byteOffset+n.offset,s),n.offset+=s}return t}function Rm(n,e,t){let i=new Array(e);for(let s=0;s<e;s++)i[s]=new Uint8Array(n.view.buffer,n.view.byteOffset+n.offset,t),n.offset+=t;return i}function zr(n,e,t){let i=new ArrayBuffer(t);return new Uint8Array(i).set(new Uint8Array(n,e,t)),i}var Cm=[0,255,65535,16777215,4294967295];function Rh(n,e,t,i,s){for(let r=0;r<s;r++)t[i+r]=n[e+r]}function Ch(n,e){let t=n.byteLength,i=e.byteLength,s=0,r=0;for(;s<t;){let o=n[s];if(s++,o<128)break}if(i&&s>=t)throw new Error("invalid snappy length header");for(;s<t;){let o=n[s],a=0;if(s++,s>=t)throw new Error("missing eof marker");if((o&3)===0){let l=(o>>>2)+1;if(l>60){if(s+3>=t)throw new Error("snappy error literal pos + 3 >= inputLength");let c=l-60;l=n[s]+(n[s+1]<<8)+(n[s+2]<<16)+(n[s+3]<<24),l=(l&Cm[c])+1,s+=c}if(s+l>t)throw new Error("snappy error literal exceeds input length");Rh(n,s,e,r,l),s+=l,r+=l}else{let l=0;switch(o&3){case 1:a=(o>>>2&7)+4,l=n[s]+(o>>>5<<8),s++;break;case 2:if(t<=s+1)throw new Error("snappy error end of input");a=(o>>>2)+1,l=n[s]+(n[s+1]<<8),s+=2;break;case 3:if(t<=s+3)throw new Error("snappy error end of input");a=(o>>>2)+1,l=n[s]+(n[s+1]<<8)+(n[s+2]<<16)+(n[s+3]<<24),s+=4;break;default:break}if(l===0||isNaN(l))throw new Error(`invalid offset ${l} pos ${s} inputLength ${t}`);if(l>r)throw new Error("cannot copy from before start of buffer");Rh(e,r-l,e,r,a),r+=a}}if(r!==i)throw new Error("premature end of input")}function Ih(n,e,{type:t,element:i,schemaPath:s}){let r=new DataView(n.buffer,n.byteOffset,n.byteLength),o={view:r,offset:0},a,l=Im(o,e,s),{definitionLevels:c,numNulls:u}=Pm(o,e,s),h=e.num_values-u;if(e.encoding==="PLAIN")a=As(o,t,h,i.type_length);else if(e.encoding==="PLAIN_DICTIONARY"||e.encoding==="RLE_DICTIONARY"||e.encoding==="RLE"){let f=t==="BOOLEAN"?1:r.getUint8(o.offset++);f?(a=new Array(h),t==="BOOLEAN"?(Ln(o,f,a),a=a.map(d=>!!d)):Ln(o,f,a,r.byteLength-o.offset)):a=new Uint8Array(h)}else if(e.encoding==="BYTE_STREAM_SPLIT")a=Nl(o,h,t,i.type_length);else if(e.encoding==="ALP")a=Il(o,h,t);else if(e.encoding==="DELTA_BINARY_PACKED")a=t==="INT32"?new Int32Array(h):new BigInt64Array(h),Gi(o,h,a);else if(e.encoding==="DELTA_LENGTH_BYTE_ARRAY")a=new Array(h),Pl(o,h,a);else if(e.encoding==="DELTA_BYTE_ARRAY")a=new Array(h),Ll(o,h,a);else throw new Error(`parquet unsupported encoding: ${e.encoding}`);return{definitionLevels:c,repetitionLevels:l,dataPage:a}}function Im(n,e,t){if(t.length>1){let i=_l(t);if(i){let s=new Array(e.num_values);return Ln(n,Vr(i),s),s}}return[]}function Pm(n,e,t){let i=Ms(t);if(!i)return{definitionLevels:[],numNulls:0};let s=new Array(e.num_values);Ln(n,Vr(i),s);let r=e.num_values;for(let o of s)o===i&&r--;return r===0&&(s.length=0),{definitionLevels:s,numNulls:r}}function Gr(n,e,t,i){let s,r=i?.[t];if(t==="UNCOMPRESSED")s=n;else if(r)s=r(n,e);else if(t==="SNAPPY")s=new Uint8Array(e),Ch(n,s);else throw new Error(`parquet unsupported compression codec: ${t}`);if(s?.length!==e)throw new Error(`parquet decompressed page length ${s?.length} does not match header ${e}`);return s}function Ph(n,e,t){let s={view:new DataView(n.buffer,n.byteOffset,n.byteLength),offset:0},{type:r,element:o,schemaPath:a,codec:l,compressors:c}=t,u=e.data_page_header_v2;if(!u)throw new Error("parquet data page header v2 is undefined");let h=Lm(s,u,a);s.offset=u.repetition_levels_byte_length;let f=Nm(s,u,a),d=e.uncompressed_page_size-u.definition_levels_byte_length-u.repetition_levels_byte_length,m=n.subarray(s.offset);u.is_compressed!==!1&&d&&(m=Gr(m,d,l,c));let y=new DataView(m.buffer,m.byteOffset,m.byteLength),g={view:y,offset:0},p,x=u.num_values-u.num_nulls;if(u.encoding==="PLAIN")p=As(g,r,x,o.type_length);else if(u.encoding==="RLE")p=new Array(x),Ln(g,1,p),p=p.map(b=>!!b);else if(u.encoding==="PLAIN_DICTIONARY"||u.encoding==="RLE_DICTIONARY"){let b=y.getUint8(g.offset++);p=new Array(x),Ln(g,b,p,d-1)}else if(u.encoding==="DELTA_BINARY_PACKED")p=r==="INT32"?new Int32Array(x):new BigInt64Array(x),Gi(g,x,p);else if(u.encoding==="DELTA_LENGTH_BYTE_ARRAY")p=new Array(x),Pl(g,x,p);else if(u.encoding==="DELTA_BYTE_ARRAY")p=new Array(x),Ll(g,x,p);else if(u.encoding==="BYTE_STREAM_SPLIT")p=Nl(g,x,r,o.type_length);else if(u.encoding==="ALP")p=Il(g,x,r);else throw new Error(`parquet unsupported encoding: ${u.encoding}`);return{definitionLevels:f,repetitionLevels:h,dataPage:p}}function Lm(n,e,t){let i=_l(t);if(!i)return[];let s=new Array(e.num_values);return Ln(n,Vr(i),s,e.repetition_levels_byte_length),s}function Nm(n,e,t){let i=Ms(t);if(i){let s=new Array(e.num_values);return Ln(n,Vr(i),s,e.definition_levels_byte_length),s}}function Vr(n){return 32-Math.clz32(n)}function Dl(n,{groupStart:e,selectStart:t,selectEnd:i},s,r){let{pathInSchema:o,schemaPath:a}=s,l=yl(a),c=[],u,h,f=0,d=0,m=r&&(()=>{h&&r({pathInSchema:o,columnData:h,rowStart:e+f-h.length,rowEnd:e+f})});for(;(l?f<i:n.offset<n.view.byteLength-1)&&!(n.offset>=n.view.byteLength-1);){let y=Dm(n);if(y.type==="DICTIONARY_PAGE"){let{data:g}=Lh(n,y,s,u,void 0,0);g&&(u=pl(g,s))}else{let g=h?.length||0,p=Lh(n,y,s,u,h,t-f);p.skipped?(c.length||(d+=p.skipped),f+=p.skipped):p.data&&h===p.data?f+=p.data.length-g:p.data&&p.data.length&&(m?.(),c.push(p.data),f+=p.data.length,h=p.data)}}return m?.(),{data:c,skipped:d}}function Lh(n,e,t,i,s,r){let{type:o,element:a,schemaPath:l,codec:c,compressors:u}=t,h=new Uint8Array(n.view.buffer,n.view.byteOffset+n.offset,e.compressed_page_size);if(n.offset+=e.compressed_page_size,e.type==="DATA_PAGE"){let f=e.data_page_header;if(!f)throw new Error("parquet data page header is undefined");if(r>f.num_values&&yl(l))return{skipped:f.num_values};let d=Gr(h,Number(e.uncompressed_page_size),c,u),{definitionLevels:m,repetitionLevels:y,dataPage:g}=Ih(d,f,t),p=dl(g,i,f.encoding,t),x=Array.isArray(s)?s:[];return{skipped:0,data:Cl(x,m,y,p,l)}}else if(e.type==="DATA_PAGE_V2"){let f=e.data_page_header_v2;if(!f)throw new Error("parquet data page header v2 is undefined");if(r>f.num_rows)return{skipped:f.num_rows};let{definitionLevels:d,repetitionLevels:m,dataPage:y}=Ph(h,e,t),g=dl(y,i,f.encoding,t),p=Array.isArray(s)?s:[];return{skipped:0,data:Cl(p,d,m,g,l)}}else if(e.type==="DICTIONARY_PAGE"){let f=e.dictionary_page_header;if(!f)throw new Error("parquet dictionary page header is undefined");let d=Gr(h,Number(e.uncompressed_page_size),c,u),m={view:new DataView(d.buffer,d.byteOffset,d.byteLength),offset:0};return{skipped:0,data:As(m,o,f.num_values,a.type_length)}}else throw new Error(`parquet unsupported page type: ${e.type}`)}function Dm(n){let e=yn(n),t=Tr[e.field_1],i=e.field_2,s=e.field_3,r=e.field_4,o=e.field_5&&{num_values:e.field_5.field_1,encoding:Cn[e.field_5.field_2],definition_level_encoding:Cn[e.field_5.field_3],repetition_level_encoding:Cn[e.field_5.field_4],statistics:Nh(e.field_5.field_5)},a=e.field_6,l=e.field_7&&{num_values:e.field_7.field_1,encoding:Cn[e.field_7.field_2],is_sorted:e.field_7.field_3},c=e.field_8&&{num_values:e.field_8.field_1,num_nulls:e.field_8.field_2,num_rows:e.field_8.field_3,encoding:Cn[e.field_8.field_4],definition_levels_byte_length:e.field_8.field_5,repetition_levels_byte_length:e.field_8.field_6,is_compressed:e.field_8.field_7===void 0?!0:e.field_8.field_7,statistics:Nh(e.field_8.field_8)};return{type:t,uncompressed_page_size:i,compressed_page_size:s,crc:r,data_page_header:o,index_page_header:a,dictionary_page_header:l,data_page_header_v2:c}}function Nh(n){return n&&{max:n.field_1,min:n.field_2,null_count:n.field_3,distinct_count:n.field_4,max_value:n.field_5,min_value:n.field_6,is_max_value_exact:n.field_7,is_min_value_exact:n.field_8}}function Uh(n,{metadata:e},t){let i=[],s=ln(e);for(let r of t.chunks){let{path_in_schema:o}=r.columnMetadata,a=gl(s,o),l={pathInSchema:o,element:a[a.length-1].element,schemaPath:a,...n,...r.columnMetadata,parsers:{...In,...n.parsers}},{startByte:c,endByte:u}=r.range;"pageLocations"in r?i.push({pathInSchema:o,data:Dh(n,t,r,r.pageLocations,l)}):"offsetIndex"in r?i.push({pathInSchema:o,data:Promise.resolve(n.file.slice(r.offsetIndex.startByte,r.offsetIndex.endByte)).then(h=>{let f=Ss({view:new DataView(h),offset:0}).page_locations;return Dh(n,t,r,f,l)})}):i.push({pathInSchema:o,data:Promise.resolve(n.file.slice(c,u)).then(h=>{let f={view:new DataView(h),offset:0};return Dl(f,t,l,n.onPage)})})}return{groupStart:t.groupStart,groupRows:t.groupRows,selectStart:t.selectStart,selectEnd:t.selectEnd,asyncColumns:i}}async function Dh(n,e,t,i,s){let{data_page_offset:r,dictionary_page_offset:o}=t.columnMetadata,{selectStart:a,selectEnd:l}=e,{startByte:c,endByte:u}=t.range,h=-1,f=o||r<i[0].offset;for(let x=0;x<i.length;x++){let b=i[x],S=Number(b.first_row_index),E=x+1<i.length?Number(i[x+1].first_row_index):e.groupRows;h<0&&E>a&&(c=Number(b.offset),h=S),S<l&&(u=Number(b.offset)+b.compressed_page_size)}h<0&&(h=0);let d;if(f&&h){let x=Number(i[0].offset)-t.range.startByte,[b,S]=await Promise.all([n.file.slice(t.range.startByte,Number(i[0].offset)),n.file.slice(c,u)]),E=new Uint8Array(x+S.byteLength);E.set(new Uint8Array(b,0,x)),E.set(new Uint8Array(S),x),d=new DataView(E.buffer)}else f?d=new DataView(await n.file.slice(t.range.startByte,u)):d=new DataView(await n.file.slice(c,u));let m={view:d,offset:0},y=h?{...e,groupStart:e.groupStart+h,selectStart:e.selectStart-h,selectEnd:e.selectEnd-h}:e,{data:g,skipped:p}=Dl(m,y,s,n.onPage);return{data:g,skipped:h+p}}async function Ul({asyncColumns:n},e,t,i,s){let r=await Promise.all(n.map(h=>h.data.then(({skipped:f,data:d})=>({skipped:f,data:wl(d)})))),o=t-e;if(s==="object"){let h=Array(o);for(let f=0;f<o;f++){let d={};for(let m=0;m<n.length;m++){let{data:y,skipped:g}=r[m];d[n[m].pathInSchema[0]]=y[e+f-g]}h[f]=d}return h}let a=n.map(h=>h.pathInSchema[0]).filter(h=>!i||i.includes(h)),l=i??a,c=l.map(h=>n.findIndex(f=>f.pathInSchema[0]===h)),u=Array(o);for(let h=0;h<o;h++){let f=Array(n.length);for(let d=0;d<l.length;d++){let m=c[d];if(m<0)throw new Error(`parquet column not found: ${l[d]}`);let{data:y,skipped:g}=r[m];f[d]=y[e+h-g]}u[h]=f}return u}function Fl(n,e,t){let{asyncColumns:i}=n,s={...In,...t},r=[];for(let o of e.children)if(o.children.length){let a=i.filter(l=>l.pathInSchema[0]===o.element.name);if(!a.length)continue;r.push({pathInSchema:o.path,data:(async()=>{let l=await Promise.all(a.map(m=>m.data)),c=new Map,u=l.map(({data:m})=>wl(m)),h=Math.max(n.selectStart??0,...l.map(m=>m.skipped)),f=Math.min(n.selectEnd??1/0,...l.map((m,y)=>m.skipped+u[y].length));for(let m=0;m<a.length;m++){let y=h-l[m].skipped,g=Math.max(0,f-h);c.set(a[m].pathInSchema.join("."),u[m].slice(y,y+g))}zi(c,o,s);let d=c.get(o.element.name);if(!d)throw new Error("parquet column data not assembled");return{data:[d],skipped:h}})()})}else{let a=i.find(l=>l.pathInSchema[0]===o.element.name);a&&r.push(a)}return{...n,asyncColumns:r}}async function Fh(n){let e=await Um(n);return{options:e,plan:fh(e)}}async function Um(n){let e=n.metadata??await Nr(n.file,n),t=ln(e).children.map(o=>o.element.name),s=Fr(n.filter).filter(o=>!t.includes(o));if(s.length)throw new Error(`parquet filter columns not found: ${s.join(", ")}`);if(n.columns){let o=n.columns.filter(a=>!t.includes(a));if(o.length)throw new Error(`parquet column not found: ${o[0]}`)}let r={...n,metadata:e};return r=await Fm(r),r=await Om(r),r}function Oh(n,e){let t={...n,file:Al(n.file,e)};return e.groups.map(i=>Uh(t,e,i))}async function Fm(n){if(!n.useBloomFilters||!n.filter||!n.metadata)return n;let e=ln(n.metadata),t={};for(let s of e.children)t[s.element.name]=s.element;let i=await mh({file:n.file,metadata:n.metadata,filter:n.filter,filterStrict:n.filterStrict});return{...n,bloomFiltersByGroup:i,schemaElements:t}}async function Om(n){if(!n.usePageIndex||!n.filter||!n.metadata)return n;let{pageRangesByGroup:e,pageLocationsByGroup:t}=await gh({file:n.file,metadata:n.metadata,filter:n.filter,filterStrict:n.filterStrict,rowStart:n.rowStart,rowEnd:n.rowEnd,columns:n.columns,bloomFiltersByGroup:n.bloomFiltersByGroup,schemaElements:n.schemaElements,parsers:n.parsers});return{...n,pageRangesByGroup:e,pageLocationsByGroup:t}}var Bh=Symbol("rowIndex");async function Bl(n){n.metadata??=await Nr(n.file,n);let{rowStart:e=0,rowEnd:t,columns:i,onChunk:s,onComplete:r,rowFormat:o,filter:a,filterStrict:l=!0}=n;if(a&&o!=="object")throw new Error('parquet filter requires rowFormat: "object"');if(n.includeRowIndex&&o!=="object")throw new Error('parquet includeRowIndex requires rowFormat: "object"');let c=Fr(a),u=i;if(i&&c.length){let x=new Set(i),b=c.filter(S=>!x.has(S));b.length&&(u=[...i,...b])}let h=u===i?n:{...n,columns:u},f=await Fh(h),d=f.options,m=u!==i,y=Oh(d,f.plan);if(!r&&!s){await Ol(y);return}if(!d.metadata)throw new Error("parquet requires metadata");let g=ln(d.metadata),p=y.map(x=>Fl(x,g,n.parsers));if(s)for(let x of p)for(let b of x.asyncColumns)b.data.then(({data:S,skipped:E})=>{let T=x.groupStart+E;for(let _ of S)s({columnName:b.pathInSchema[0],columnData:_,rowStart:T,rowEnd:T+_.length}),T+=_.length},()=>{});if(r){await Ol(p);let x=[];for(let b of p){let S=b.selectStart??Math.max(e-b.groupStart,0),E=b.selectEnd??Math.min((t??1/0)-b.groupStart,b.groupRows),T=o==="object"?await Ul(b,S,E,u,"object"):await Ul(b,S,E,i,"array");if(n.includeRowIndex)for(let _=0;_<T.length;_++)Object.defineProperty(T[_],Bh,{value:b.groupStart+S+_});if(a){for(let _ of T)if(Zn(_,a,l)){if(m&&i)for(let w of c)i.includes(w)||delete _[w];x.push(_)}}else bl(x,T)}r(x)}else await Ol(p)}async function Ol(n){let e=n.flatMap(s=>s.asyncColumns.map(r=>r.data)),i=(await Promise.allSettled(e)).find(s=>s.status==="rejected");if(i)throw i.reason}var Hr="\\t\\n\\v\\f\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000",Bm=new RegExp(`^[${Hr}]+|[${Hr}]+$`,"g"),km=new RegExp(`^[${Hr}\\u200b\\ufeff]+|[${Hr}\\u200b\\ufeff]+$`,"g"),zm=/^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?$/i;function Es(n){return n.replace(Bm,"")}function kh(n){return n.replace(km,"")}function yi(n){let e=Es(n),t=e.toLowerCase().replace(/^[+-]/,"");return t==="nan"?Number.NaN:t==="inf"||t==="infinity"?e.startsWith("-")?-1/0:1/0:zm.test(e)?Number(e.replaceAll("_","")):null}function cn(n){if(!Number.isFinite(n))return Number.isNaN(n)?"nan":n>0?"inf":"-inf";let[e,t]=n.toExponential().split("e"),i=Number(t);if(n!==0&&(i<-4||i>=16))return zh(e,i);let s=Object.is(n,-0)?"-0":Gh(e,i);return s.includes(".")?s:`${s}.0`}function Nn(n,e){if(!Number.isFinite(n))return cn(n);let t=n.toFixed(e),i=Math.abs(n)<1e15?Math.abs(n).toFixed(Math.min(100,e+60)):"",s=i.slice(i.indexOf(".")+1+e);if(!/^50*$/.test(s))return t;let r=i.slice(0,i.length-s.length).replace(/\.$/,"");return Number(r.at(-1))%2===0?`${n<0?"-":""}${r}`:t}function Ts(n,e=6){if(!Number.isFinite(n))return cn(n);if(n===0)return Object.is(n,-0)?"-0":"0";let[t,i]=n.toExponential(Math.max(e,1)-1).split("e"),s=Number(i),r=t.includes(".")?t.replace(/\.?0+$/,""):t;return s<-4||s>=e?zh(r,s):Gh(r,s)}function pt(n){return Nn(n,0).replace(/\B(?=(\d{3})+$)/g,",")}function Rs(n,e){let t=[...n];return t.length<=e?n:`${t.slice(0,e).join("")}...`}function zh(n,e){let t=String(Math.abs(e)).padStart(2,"0");return`${n}e${e<0?"-":"+"}${t}`}function Gh(n,e){let t=n.startsWith("-")?"-":"",i=n.replace(/[-.]/g,"");if(e<0)return`${t}0.${"0".repeat(-e-1)}${i}`;let s=i.slice(0,e+1).padEnd(e+1,"0"),r=i.slice(e+1);return`${t}${s}${r?`.${r}`:""}`}var Ot={target:"known class",predicted:"predicted class",answer:"calibrated answer",brain_region:"brain region",cluster:"cluster",hemilineage:"hemilineage",cell_type:"cell type",neuron_type:"neuron type",synapse_type:"synapse type",used_for:"used for",out_of_fold:"predicted out of fold"},Et={score:"detection score",probability:"probability of the prediction",calibrated_probability:"calibrated probability",valid_fraction:"share of the tile inside the volume",membership_probability:"membership in the cluster",mitochondrion_distance_nm:"distance to the nearest mitochondrion in nm",mitochondrion_nm3:"volume of the nearest mitochondrion in nm³",mitochondria_near_share:"share of the surroundings that is mitochondria"},Vh={anyOf:new Map,least:new Map},kl=class{constructor(e,t,i){this.codes=t;this.none=i;this.name=e.name,this.title=e.title,this.names=e.names,this.byName=new Map(e.names.map((s,r)=>[s,r])),this.colourOf=new Map(Object.entries(e.colours))}codes;none;name;title;names;byName;colourOf;counts(e){let t=new Uint32Array(this.names.length+1);for(let s=0;s<this.codes.length;s++)(!e||e[s])&&t[this.codes[s]+1]++;let i=this.names.map((s,r)=>[s,t[r+1]]);return t[0]?[...i,[this.none,t[0]]]:i}code(e){let t=e===this.none?-1:this.byName.get(e);if(t!==void 0)return t;let i=this.names.slice(0,12).join(", ")+(this.names.length>12?" ...":"");throw new Ke(`no synapse has ${this.title} '${e}'; there are ${i||"none"}`)}value(e){let t=this.codes[e];return t<0?null:this.names[t]}colour(e){return this.colourOf.get(e)??this.colourOf.get(this.none)??"#888"}get colours(){return this.colourOf}},Wr=class{ids;placesNm;categories;hasVector;tiles;neurons;neuronIds;clusterVerdict;none;noiseColour;volumes;numberNames;byId=null;constructor(e,t){this.ids=t.ids,this.placesNm=t.placesNm,this.volumes=t.volumes,this.hasVector=t.hasVector,this.tiles=t.tiles,this.none=e.none,this.noiseColour=e.noise_colour,this.clusterVerdict=e.cluster_verdict,this.numberNames=e.numbers.map(s=>s.name),this.categories=new Map(e.categories.map(s=>[s.name,new kl(s,t.codes.get(s.name),e.none)])),this.neurons=t.neurons;let i=[];for(let s=0;s<this.neurons.length;s++){let r=this.neurons[s];r>=0&&(i[r]??=t.neuronIds[s])}this.neuronIds=i}get length(){return this.ids.length}row(e){this.byId??=new Map(this.ids.map((s,r)=>[s,r]));let t=this.byId.get(e)??this.byId.get(kh(e));if(t!==void 0)return t;let i=this.ids.slice(0,2).join(", ")||"nothing: it is empty";throw new Ke(`no synapse '${e}' in this release; its ${pt(this.length)} ids look like ${i}`)}category(e){let t=this.categories.get(e);if(t)return t;let i=[...this.categories.keys()].join(", ");throw new Ke(`this dataset has no column '${e}' of classes; there are ${i}`)}areOfClusters(e){let t=new Set(["cluster","membership_probability"]);return this.categories.has("predicted")||t.add("probability"),[...e].some(i=>t.has(i))}select(e,t=null){let i=new Uint8Array(this.length).fill(1);for(let[s,r]of e.anyOf){if(!r.length)continue;let{codes:o}=this.category(s),a=new Set(r.map(l=>this.category(s).code(l)));for(let l=0;l<o.length;l++)a.has(o[l])||(i[l]=0)}for(let[s,r]of e.least){let o=t?.get(s);if(!o)throw new Ke(`this dataset has no column '${s}' of numbers; there are ${this.numberNames.join(", ")}`);let a=Math.fround(r);for(let l=0;l<o.length;l++)o[l]>=a||(i[l]=0)}return i}markNear(e,t,i){let[s,r,o]=this.placesNm,a=t**2;for(let l=0;l<this.length;l++){let c=s[l]-s[e],u=r[l]-r[e],h=o[l]-o[e];c*c+u*u+h*h>a||this.volumes&&this.volumes[e]!==null&&this.volumes[l]!==this.volumes[e]||(i[l]=1)}}ofSameNeuron(e){let t=this.neurons[e];return t<0?0:this.neurons.reduce((i,s)=>i+(s===t?1:0),0)}neuronId(e){let t=this.neurons[e];return t<0?null:this.neuronIds[t]}};var Xr=class n{constructor(e,t,i){this.folder=e;this.site=t;this.transfers=i}folder;site;transfers;kept=new Map;static async open(e,t=()=>{}){let i=new Gl(t),s=Wh(await i.fetch(`${e}site.json`,"no-cache"),`${e}site.json`);if(s.format!==1)throw new Lt(`the data of this site are of format ${s.format}, and its scripts read format ${1}: they are of different versions. Load the page again without the browser's cache; if that does not help, the site has to be exported again`);return new n(e,s,i)}points(){return this.once("points",async()=>{let{site:e}=this,t=await this.table("points.parquet"),i=r=>new Float64Array(t.get(r)),s=r=>new Int32Array(t.get(r));return new Wr(e,{ids:t.get("synapse_id"),neurons:s("neuron"),neuronIds:t.get("neuron_id"),placesNm:[i("x_nm"),i("y_nm"),i("z_nm")],volumes:t.get("volume")??null,codes:new Map(e.categories.map(({name:r})=>[r,s(r)])),hasVector:new Uint8Array(t.get("has_vector")),tiles:s("tile")})})}numbers(){return this.once("numbers",async()=>{if(!this.site.numbers.length)return new Map;let e=await this.table("numbers.parquet");return new Map(this.site.numbers.map(({name:t})=>[t,Xh(e.get(t))]))})}map(){return this.once("map",async()=>{let e=await this.table("map.parquet"),t=s=>Xh(e.get(s)),i=e.has("space_1")?[t("space_1"),t("space_2"),t("space_3")]:null;return{map:[t("map_1"),t("map_2")],space:i}})}vectors(){return this.once("vectors",async()=>{let{vectors:e,rows:t}=this.site;if(!e)return null;let{dimensions:i}=e,s=new Int8Array(await this.file("vectors.i8"));if(s.length!==t*i)throw new Lt(`vectors.i8 has ${s.length} bytes and should have ${t*i}: the site is not whole, export it again`);return{codes:s,dimensions:i,scale:Float64Array.from(e.scale)}})}random(){return this.once("random",async()=>new Uint32Array(await this.file("random.u32")))}async card(e){let t=this.site.cards_per_file,i=`cards/${String(Math.floor(e/t)).padStart(5,"0")}.json`;return(await this.once(i,async()=>Wh(await this.file(i),i)))[e%t]??{}}once(e,t){let i=this.kept.get(e);return i||(i=t(),this.kept.set(e,i),i.catch(()=>this.kept.delete(e))),i}file(e){return this.transfers.fetch(`${this.folder}${e}?release=${this.site.release.id}`)}async table(e){let t=await this.file(e),i=new Map;try{await Bl({file:t,parsers:{stringFromBytes:Gm},onChunk:({columnName:s,columnData:r,rowStart:o,rowEnd:a})=>{let l=r;if(o===0&&a===this.site.rows){i.set(s,l);return}let c=i.get(s)??Xm(l,this.site.rows);if(qh(c))c.set(l,o);else for(let u=o;u<a;u++)c[u]=l[u-o];i.set(s,c)}})}catch(s){throw new Lt(`${e} cannot be read: ${String(s)}`)}return i}},Gl=class{constructor(e){this.progress=e}progress;loaded=0;total=0;async fetch(e,t="default"){let i=new URL(e).pathname,s;try{s=await fetch(e,{cache:t})}catch{throw new Lt(`${i} could not be fetched: is the connection there? Load the page again`)}if(!s.ok)throw new Lt(`${i} could not be fetched: the server answered ${s.status}`);let r=s.headers.has("Content-Encoding")?null:s.headers.get("Content-Length");this.total=this.total===null||r===null?null:this.total+Number(r);let o=[],a=s.body.getReader();try{for(let u=await a.read();!u.done;u=await a.read())o.push(u.value),this.loaded+=u.value.length,this.progress(this.loaded,this.total)}catch{throw new Lt(`${i} came only in part: load the page again`)}let l=new Uint8Array(o.reduce((u,h)=>u+h.length,0)),c=0;for(let u of o)l.set(u,c),c+=u.length;return l.buffer}};function Wh(n,e){try{return JSON.parse(new TextDecoder().decode(n))}catch{throw new Lt(`${e} is no JSON: the site is not whole, export it again`)}}function Gm(n){if(n===void 0)return;n.buffer!==zl.buffer&&(zl={buffer:n.buffer,text:Hm.decode(n.buffer)});let e=zl.text.substring(n.byteOffset,n.byteOffset+n.byteLength);return Vm.test(e)?e:Wm.decode(n)}var Vm=/^[\0-\x7f]*$/,Hm=new TextDecoder("latin1"),Wm=new TextDecoder,zl={buffer:null,text:""};function qh(n){return n instanceof Int32Array||n instanceof Float32Array||n instanceof Float64Array}function Xm(n,e){return qh(n)?new n.constructor(e):new Array(e)}function Xh(n){return n instanceof Float32Array?n:Float32Array.from(n,e=>e??Number.NaN)}var qr=class{constructor(e,t){this.folder=e;this.site=t}folder;site;kept=new Map;ends=new Map;seen=new Set;observer=null;fill(e){this.observer??=new IntersectionObserver(t=>this.saw(t),{rootMargin:"400px"});for(let t of e.querySelectorAll("img[data-tile]"))this.observer.observe(t)}async blobs(e,t){let i=new Set(t),s=[...i].filter(r=>!this.kept.has(`${e}${r}`));if(s.length){let r=await this.endsOf(e),o=qm(s.filter(a=>a>=0&&a<r.length),await this.perPack(e));await Promise.allSettled(o.map(a=>this.fetch(e,a,r)))}return new Map([...i].flatMap(r=>{let o=this.kept.get(`${e}${r}`);return o?[[r,o]]:[]}))}saw(e){let t=this.seen.size>0;for(let{isIntersecting:i,target:s}of e)i&&(this.observer?.unobserve(s),this.seen.add(s));!t&&this.seen.size&&requestAnimationFrame(()=>this.show())}async show(){let e=[...this.seen];this.seen.clear();let{tiles:t,sections:i}=await this.site().catch(()=>({tiles:null,sections:null}));for(let s of["tiles","sections"]){let r=l=>i!==null&&l.dataset.section!==void 0,o=e.filter(l=>r(l)===(s==="sections"));if(!o.length)continue;let a=new Map;try{a=await this.blobs(s,o.map(l=>Number(l.dataset.tile)))}catch{}for(let l of o)$m(l,a.get(Number(l.dataset.tile)),t?.sections??1)}}async endsOf(e){let t=this.ends.get(e);return t||(t=(async()=>new Uint32Array(await(await this.request(`${e}.index`)).arrayBuffer()))(),this.ends.set(e,t),t.catch(()=>this.ends.delete(e))),t}async perPack(e){return(await this.site())[e].per_pack}async fetch(e,t,i){let s=await this.perPack(e),r=t.pack*s,o=g=>g===r?0:i[g-1],[a,l]=[o(t.first),i[t.last]],c=`${e}/${String(t.pack).padStart(5,"0")}.jpgs`,u=await this.request(c,`bytes=${a}-${l-1}`),h=await u.blob(),f=u.status===200,d=f?0:a,[m,y]=f?[r,Math.min(r+s,i.length)-1]:[t.first,t.last];for(let g=m;g<=y&&!(i[g]-d>h.size);g++)this.keep(`${e}${g}`,h.slice(o(g)-d,i[g]-d,"image/jpeg"))}async request(e,t){let{release:i}=await this.site(),s=t?{Range:t}:void 0,r=await fetch(`${this.folder}${e}?release=${i.id}`,{headers:s});if(!r.ok)throw new Error(`${e}: ${r.status}`);return r}keep(e,t){this.kept.set(e,t),this.kept.size>8192&&this.kept.delete(this.kept.keys().next().value)}};function qm(n,e){let t=new Map;for(let i of n){let s=Math.floor(i/e),r=t.get(s)??{pack:s,first:i,last:i};t.set(s,{pack:s,first:Math.min(r.first,i),last:Math.max(r.last,i)})}return[...t.values()]}function $m(n,e,t){if(!e){let r=document.createElement("span");r.className="nothing",r.textContent=Number(n.dataset.tile)<0?"no picture":"this picture could not be fetched",n.replaceWith(r);return}let i=URL.createObjectURL(e),s=()=>URL.revokeObjectURL(i);n.addEventListener("load",s,{once:!0}),n.addEventListener("error",s,{once:!0}),n.dataset.section!==void 0&&t>1&&(n.style.objectFit="cover",n.style.objectPosition=`0 ${100*Number(n.dataset.section)/(t-1)}%`),n.src=i}function xi(n){return encodeURIComponent(n).replace(/[!'()*]/g,e=>`%${e.charCodeAt(0).toString(16).toUpperCase()}`)}function Cs(n){let e=t=>xi(t).replaceAll("%20","+");return[...n].map(([t,i])=>`${e(t)}=${e(i)}`).join("&")}function $h(n){let e=t=>`${n}/${xi(t)}`;return{at:e,card_url:(t,i)=>`${e(t)}/synapse/?synapse_id=${xi(i)}`,neuron_url:(t,i)=>`${e(t)}/neuron/${xi(i)}`}}var Yh=`/* The controls of the map of an exported site, which look as those that Bokeh draws on the explorer's. */
.map-page {
  min-height: calc(100vh - 60px);
}
.map-side {
  display: grid;
  gap: 10px;
  align-content: start;
}
.map-controls {
  font:
    13px system-ui,
    sans-serif;
}
.map-controls label {
  display: block;
  font-weight: 500;
}
.map-controls select,
.map-controls input:not([type="checkbox"], [type="range"]) {
  display: block;
  width: 100%;
  min-width: 0;
  min-height: 32px;
  margin-top: 4px;
  padding: 4px 8px;
  border: 1px solid var(--line);
  border-radius: 6px;
  background: var(--raised);
  color: var(--ink);
  font:
    13px system-ui,
    sans-serif;
}
.map-controls button {
  border: 1px solid var(--line);
  border-radius: 6px;
  background: var(--raised);
  color: var(--ink);
  font:
    13px system-ui,
    sans-serif;
  padding: 5px 12px;
  min-height: 30px;
}
.map-controls button:hover {
  border-color: var(--accent);
}
.map-controls button[aria-pressed="true"],
.map-controls button[aria-expanded="true"] {
  background: var(--accent);
  border-color: var(--accent);
  color: var(--paper);
}
.map-controls [hidden] {
  display: none;
}
.map-row {
  display: flex;
  gap: 10px;
}
.map-row > * {
  flex: 1;
  min-width: 0;
}
.map-row[hidden] {
  display: none;
}
.map-turns input {
  display: block;
  width: 100%;
  accent-color: var(--accent);
  margin: 4px 0 0;
}
.map-tools {
  display: flex;
  flex-wrap: wrap;
  gap: 4px 12px;
  justify-content: end;
}
.map-buttons {
  display: flex;
  gap: 4px;
}
.map-steers {
  display: flex;
  flex-wrap: wrap;
  gap: 4px;
  justify-content: end;
}
.map-steers button {
  padding: 2px 12px;
}
.map-legend {
  max-height: 46vh;
  overflow-y: auto;
}
.map-legend label,
.map-filters .choices label {
  display: flex;
  align-items: center;
  gap: 8px;
  font-weight: 400;
  padding: 2px 4px 2px 2px;
  line-height: 18px;
}
.map-legend input,
.map-filters .choices input {
  width: 15px;
  height: 15px;
  margin: 0;
  flex: none;
}
.map-legend span,
.map-filters .choices span {
  overflow-wrap: anywhere;
  min-width: 0;
}
.map-legend .number,
.map-filters .choices .number {
  margin-left: auto;
  overflow-wrap: normal;
}
.map-filters {
  display: grid;
  gap: 10px;
}
.map-filters summary {
  font-weight: 500;
  cursor: pointer;
}
.map-filters summary:hover {
  color: var(--accent);
}
.map-filters .choices {
  max-height: 12rem;
  overflow-y: auto;
  margin: 4px 0 0 2px;
}
.map-filters .choices input {
  accent-color: var(--accent);
}
.map-canvas {
  position: absolute;
  inset: 0;
  border: 1px solid var(--line);
  border-radius: 10px;
  overflow: hidden;
  cursor: default;
  touch-action: none;
  user-select: none;
}
.map-canvas canvas {
  position: absolute;
  inset: 0;
  width: 100%;
  height: 100%;
}
.map-tip > div {
  position: absolute;
  width: fit-content;
}
.map-main > .map-notice:empty {
  display: none;
}
@media (max-width: 640px) {
  .map-bar {
    flex-wrap: wrap;
  }
  .map-bar > :first-child {
    flex-basis: 100%;
  }
  .map-page {
    padding: 12px;
  }
  .map-main {
    height: 78vh;
  }
  .map-tools {
    justify-content: start;
  }
}
`;function ce(n,e={},...t){let i=document.createElement(n);for(let[s,r]of Object.entries(e))r!==!1&&r!==null&&i.setAttribute(s,r===!0?"":String(r));return i.append(...t.filter(s=>s!==null)),i}var $r=class{element=document.createElement("div");root=this.element.attachShadow({mode:"open"});constructor(e){this.root.adoptedStyleSheets=[e]}show(...e){this.root.replaceChildren(...e.filter(t=>t!==null))}};var Zh=`/* The texts beside a map and over it, each within a shadow root: cards, tips, grids of tiles, bars, ids. */
:host { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); }
a { color: var(--accent); text-decoration: none; } a:hover, a:focus-visible { text-decoration: underline; }
h2 { font-size: 14px; font-weight: 600; margin: 0 0 8px; overflow-wrap: anywhere; }
p { margin: 0 0 8px; } .quiet { color: var(--quiet); }
.tile { display: block; width: 100%; max-width: 272px; aspect-ratio: 1; object-fit: cover; border-radius: 6px; background: var(--line);
  image-rendering: auto; font-size: 11px; color: var(--quiet); }
dl { display: grid; grid-template-columns: minmax(0, 1fr) fit-content(60%); gap: 2px 12px; margin: 10px 0; font-size: 13px; }
dt { color: var(--quiet); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.tip { width: 204px; padding: 8px; border: 1px solid var(--line); border-radius: 10px; background: var(--raised);
  box-shadow: 0 6px 24px rgb(0 0 0 / 18%); } .tip .tile { max-width: 140px; margin: auto; } .tip dl { margin: 8px 2px 0; font-size: 12px; }
.card { padding: 14px; border: 1px solid var(--line); border-radius: 10px; background: var(--raised);
  display: grid; gap: 0 20px; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); align-items: start; }
.actions { display: flex; flex-wrap: wrap; gap: 8px; } .actions a { padding: 5px 12px; border: 1px solid var(--line); border-radius: 6px; }
.actions a:first-child { background: var(--accent); border-color: var(--accent); color: var(--paper); }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(52px, 1fr)); gap: 4px; margin: 10px 0; }
.list { display: flex; flex-wrap: wrap; gap: 4px 10px; } .list a { border-bottom: 3px solid; overflow-wrap: anywhere; }
.grid a { display: block; border-bottom: 3px solid; border-radius: 6px; overflow: hidden; } .grid .tile { border-radius: 0; }
table { width: 100%; border-collapse: collapse; font-size: 13px; } td { padding: 2px 0; } td + td { padding-left: 10px; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } td.name { overflow-wrap: anywhere; }
td.bar { width: 34%; } td.bar i { display: block; height: 8px; border-radius: 4px; min-width: 2px; }
.ids { margin-top: 14px; display: flex; align-items: center; justify-content: space-between; }
button { border: 1px solid var(--line); border-radius: 6px; background: var(--paper); color: var(--ink); font: 12px system-ui, sans-serif;
  padding: 3px 10px; cursor: pointer; } button:hover, button:focus-visible { border-color: var(--accent); }
textarea { width: 100%; box-sizing: border-box; resize: vertical; border: 1px solid var(--line); border-radius: 6px;
  background: var(--paper); color: var(--ink); font: 12px/1.4 ui-monospace, monospace; }
.notice { padding: 8px 12px; border-left: 3px solid var(--accent); background: var(--raised); border-radius: 4px; }
`;var Jm=60,Km="#8f8f8f",Jh=10;function Kh(n,e,t){let i=new Uint32Array(n.names.length),s=0;for(let d=0;d<e.length;d++){let m=n.codes[e[d]];m<0?s++:i[m]++}let o=Array.from(n.names,(d,m)=>m).sort((d,m)=>i[m]-i[d]||d-m).slice(0,Jm).sort((d,m)=>d-m),a=n.names.length-o.length,l=o.map(d=>n.names[d]),c=l.map(d=>n.colour(d)),u=new Uint16Array(n.names.length).fill(o.length);for(let[d,m]of o.entries())u[m]=d;a>0&&(l.push(`${pt(a)} rarer ones`),c.push(Km));let h=l.length;s>0&&(l.push(t.name),c.push(t.colour));let f=new Uint16Array(e.length);for(let d=0;d<e.length;d++){let m=n.codes[e[d]];f[d]=m<0?h:u[m]}return{column:n.name,title:n.title,names:l,colours:c,codes:f}}function jh(n,e,t){let[i,s]=[1/0,-1/0],r=0;for(let d=0;d<e.length;d++){let m=n.values[e[d]];Number.isFinite(m)?(i=Math.min(i,m),s=Math.max(s,m)):r++}let o=i<=s?Qm(i,s):[0],a=o.length-1,l=a>0?Math.max(0,-Math.floor(Math.log10(o[1]-o[0])+1e-9))+1:0,c=o.slice(1).map((d,m)=>`${Nn(o[m],l)} to ${Nn(d,l)}`),u=eg(a),h=c.length;r>0&&(c.push(t.name),u.push(t.colour));let f=new Uint16Array(e.length);for(let d=0;d<e.length;d++){let m=n.values[e[d]];f[d]=Number.isFinite(m)?jm(m,o):h}return{column:n.name,title:n.title,names:c,colours:u,codes:f}}function jm(n,e){let t=0;for(;t<e.length-2&&e[t+1]<=n;)t++;return t}function Qm(n,e){if(e<=n)return[n,n+1];let t=Math.floor(Math.log10((e-n)/Jh)),[i,s,r]=[0,0,0];for(let o of[1,2,5,10,20])if(i=o*+`1e${t}`,[s,r]=[Math.floor(n/i+1e-9),Math.ceil(e/i-1e-9)],r-s<=Jh)break;return Array.from({length:r-s+1},(o,a)=>(s+a)*i)}function Yr(n,e){let t=new Uint32Array(n.names.length),{codes:i}=n;for(let s=0;s<i.length;s++)e[s]&&t[i[s]]++;return t}function Zr(n){let e=Number.parseInt(n.slice(1),16);return[e>>16,e>>8&255,e&255]}function eg(n){return tg[n-1]?.match(/.{6}/g)?.map(e=>`#${e}`)??[]}var tg=["440154","440154fde724","440154208f8cfde724","44015430678d35b778fde724","4401543b518a208f8c5bc862fde724","44015440438729788e22a78479d151fde724","44015444398230678d208f8c35b7788dd644fde724","44015446317e365a8c277e8e1ea08749c16d9dd93afde724","440154472b7a3b518a2c718e208f8c27ad805bc862aadb32fde724","4401544727773e498930678d25828e1e9c8935b7786bcd59b2dd2cfde724"];function Qh(n,e,t,i,s){if(i.length<3)return new Uint32Array(0);let r=Math.min(...s),o=Math.max(...s),a=ng(s,r,o),l=1024/(o-r||1),c=new Uint32Array(t.length),u=0;for(let h of t){let f=n[h],d=e[h],m=!1;for(let y of a[Vl(d,r,l)]??[]){let g=i[y],p=s[y],x=i[y===0?i.length-1:y-1],b=s[y===0?s.length-1:y-1],S=p>b;d<=Math.min(b,p)||d>Math.max(b,p)||(p-d)*(x-g)>=(g-f)*(b-p)===S&&(m=!m)}m&&(c[u++]=h)}return c.slice(0,u)}function Vl(n,e,t){return Math.max(0,Math.min(1023,Math.floor((n-e)*t)))}function ng(n,e,t){let i=1024/(t-e||1),s=Array.from({length:1024},()=>[]);return n.forEach((r,o)=>{let a=n[o===0?n.length-1:o-1],l=Vl(Math.max(a,r),e,i);for(let c=Vl(Math.min(a,r),e,i);c<=l;c++)s[c].push(o)}),s}function ef([n,e,t],i,s){let[r,o]=[t*i/2,t*s/2];return{x:[n-r,n+r],y:[e-o,e+o],widthPx:i,heightPx:s}}function tf(n,e,t){let[i,s]=n,r=1.08*Math.max((i[1]-i[0])/e,(s[1]-s[0])/t)||1;return[(i[0]+i[1])/2,(s[0]+s[1])/2,r]}function un(n){return(n.x[1]-n.x[0])/n.widthPx}function Is(n,e,t){let i=un(n);return[(e-n.x[0])/i,(n.y[1]-t)/i]}function vi(n,e,t){let i=un(n);return[n.x[0]+e*i,n.y[1]-t*i]}var Ls=[30,20],ig=5e3,sg=4,rg=1024,Kn=5e4,Hl=1024,Ps=class{rows;x;y;depth;axes;#e;#t;#n=[0,0];#i=null;constructor(e){let[t,i,s]=e;this.rows=ag(lg(og(e)),s??i),this.#e=new Int32Array(t.length).fill(-1);for(let r=0;r<this.count;r++)this.#e[this.rows[r]]=r;if(s===void 0){[this.x,this.y]=[Jr(t,this.rows),Jr(i,this.rows)],this.depth=null,this.axes=new Float32Array(3*this.count);for(let r=0;r<this.count;r++)this.axes[3*r]=this.x[r],this.axes[3*r+2]=this.y[r];this.#t=[Jn(this.x),Jn(this.y)]}else{this.axes=new Float32Array(3*this.count),e.forEach((a,l)=>{let c=Jr(a,this.rows),[u,h]=Jn(c),f=Math.fround(Math.fround(u+h)/2);for(let d=0;d<this.count;d++)this.axes[3*d+l]=c[d]-f});let r=0;for(let a=0;a<this.axes.length;a+=3)r=Math.max(r,this.axes[a]**2+this.axes[a+1]**2+this.axes[a+2]**2);let o=[-Math.sqrt(r),Math.sqrt(r)];this.#t=[o,o],[this.x,this.y]=[new Float32Array(this.count),new Float32Array(this.count)],this.depth=new Float32Array(this.count),this.turn(...Ls)}}get count(){return this.rows.length}get turned(){return this.#n}turn(e,t){if(this.depth===null)return;let[i,s]=[e*Math.PI/180,t*Math.PI/180],[r,o,a,l]=[Math.cos(i),Math.sin(i),Math.cos(s),Math.sin(s)],{axes:c,x:u,y:h,depth:f}=this;for(let d=0,m=0;d<u.length;d++,m+=3){let[y,g,p]=[c[m],c[m+1],c[m+2]],x=y*o+g*r;u[d]=y*r-g*o,h[d]=p*a+x*l,f[d]=x*a-p*l}this.#n=[e,t],this.#i=null}get sides(){return this.#t}indexOf(e){let t=this.#e[e]??-1;return t<0?null:t}nearest(e,t,i,s,r){let o=s*un(i),a=o**2,l=null;return this.#r([e-o,e+o],[t-o,t+o],c=>{let u=(this.x[c]-e)**2+(this.y[c]-t)**2;u<=a&&r[c]&&(u<a||l===null||c<l)&&(a=u,l=c)}),l}inside(e,t){let i=e.type==="rect"?1:Math.ceil(e.x.length/ig)||1,[s,r]=[e.x,e.y].map(h=>h.filter((f,d)=>d%i===0)),[o,a]=[Jn(s),Jn(r)],l=new Uint32Array(this.count),c=0;this.#r(o,a,h=>{let[f,d]=[this.x[h],this.y[h]];t[h]&&f>=o[0]&&f<=o[1]&&d>=a[0]&&d<=a[1]&&(l[c++]=h)}),l=l.slice(0,c);let u=e.type==="rect"?l:Qh(this.x,this.y,l,s,r);return this.#s(u)}prepare(){this.#i??=new Wl(this.x,this.y)}#s(e){return e.map(i=>this.rows[i]).sort().map(i=>this.#e[i])}#r(e,t,i){this.prepare(),this.#i.visit(e,t,i)}},Wl=class{#e;#t;#n;#i;#s;constructor(e,t){this.#e=Math.max(1,Math.min(rg,Math.ceil(Math.sqrt(e.length/sg)))),[this.#t,this.#n]=[Jn(e),Jn(t)];let i=new Uint32Array(e.length);this.#i=new Uint32Array(this.#e**2+1);for(let r=0;r<e.length;r++){let o=this.#r(t[r],this.#n)*this.#e+this.#r(e[r],this.#t);i[r]=o,this.#i[o+1]++}for(let r=0;r<this.#e**2;r++)this.#i[r+1]+=this.#i[r];let s=this.#i.slice();this.#s=new Uint32Array(e.length);for(let r=0;r<e.length;r++)this.#s[s[i[r]]++]=r}visit(e,t,i){let[s,r]=[this.#r(e[0],this.#t),this.#r(e[1],this.#t)],[o,a]=[this.#r(t[0],this.#n),this.#r(t[1],this.#n)];for(let l=o;l<=a;l++){let c=this.#i[l*this.#e+r+1];for(let u=this.#i[l*this.#e+s];u<c;u++)i(this.#s[u])}}#r(e,[t,i]){let s=Math.floor(this.#e*(e-t)/(i-t||1));return Math.max(0,Math.min(this.#e-1,s))}};function Jr(n,e){let t=new Float32Array(e.length);for(let i=0;i<e.length;i++)t[i]=n[e[i]];return t}function Jn(n){let[e,t]=[1/0,-1/0];for(let i=0;i<n.length;i++){let s=n[i];s<e&&(e=s),s>t&&(t=s)}return e<=t?[e,t]:[0,0]}function og(n){let e=new Uint32Array(n[0].length),[t,i,s=t]=n,r=0;for(let o=0;o<e.length;o++)Number.isFinite(t[o]*0+i[o]*0+s[o]*0)&&(e[r++]=o);return e.slice(0,r)}function ag(n,e){let[t,i]=Jn(Jr(e,n)),s=new Uint32Array(n.length),r=new Uint32Array(Hl*Math.ceil(n.length/Kn)+1);for(let a=0;a<n.length;a++){let l=Math.floor((Hl-1)*(e[n[a]]-t)/(i-t||1));s[a]=Hl*Math.floor(a/Kn)+l,r[s[a]+1]++}for(let a=1;a<r.length;a++)r[a]+=r[a-1];let o=new Uint32Array(n.length);for(let a=0;a<n.length;a++)o[r[s[a]]++]=n[a];return o}function lg(n){let e=2654435769;for(let t=n.length-1;t>0;t--){e=e+1831565813|0;let i=Math.imul(e^e>>>15,1|e);i=i+Math.imul(i^i>>>7,61|i)^i;let s=((i^i>>>14)>>>0)%(t+1);[n[t],n[s]]=[n[s],n[t]]}return n}var nf=300,sf=3,rf=["Move","Lasso","Box"],Kr=class{constructor(e,t,i,s,r,o){this.points=e;this.columns=t;this.choices=o;for(let[c,u]of t)this.#s.append(ce("option",{value:c},r(u)));this.#s.value=i.colour,this.#s.addEventListener("change",()=>o.recolour()),this.side=ce("section",{class:"map-side map-controls","aria-label":"Colours and filters"},ce("label",{},"Colour by",this.#s),ce("div",{class:"map-row"},Mi("All",()=>this.#p(!0)),Mi("None",()=>this.#p(!1))),this.#r,...this.#y(i.filters,r),this.#_(r("Go to synapse")),this.link),i.turn!==null&&(this.#t=!0,[this.#h.input.valueAsNumber,this.#u.input.valueAsNumber]=i.turn);for(let c of[this.#h,this.#u])c.show(),c.input.addEventListener("input",()=>this.#f());this.turns=ce("div",{class:"map-row map-controls map-turns"},this.#h.element,this.#u.element);for(let[c,u]of[["2-D",!1],["3-D",!0]])this.#c.append(Mi(c,()=>this.#d(u)));this.#c.hidden=!s;let a=Mi("All in view",()=>o.selectView());this.tools=ce("div",{class:"map-tools map-controls"},this.#c,this.#a,a);let l=[["+","nearer",()=>o.zoom(.6)],["−","farther",()=>o.zoom(1/.6)],["←","left",()=>o.move(-1,0)],["↑","up",()=>o.move(0,1)],["↓","down",()=>o.move(0,-1)],["→","right",()=>o.move(1,0)],["Whole map","all points",()=>o.fit()]];this.steers=ce("div",{class:"map-steers map-controls"});for(let[c,u,h]of l)this.steers.append(Mi(c,h,u));this.offerDrags()}points;columns;choices;side;tools;turns;steers;link=ce("a",{href:"?"},"Link to this view");#e="Move";#t=!1;#n=[];#i=Ls;#s=ce("select");#r=ce("div",{class:"map-legend",role:"group","aria-label":"Legend"});#l=new Map;#o=new Map;#a=ce("div",{class:"map-buttons",role:"group","aria-label":"What dragging does"});#c=ce("div",{class:"map-buttons",role:"group","aria-label":"Dimensions"});#h=af("Turn (degrees)",180,Ls[0]);#u=af("Tilt (degrees)",90,Ls[1]);get colour(){return this.#s.value}get mode(){return this.#e}get turn(){return this.#t?[this.#h.input.valueAsNumber,this.#u.input.valueAsNumber]:null}get filters(){let e=new Map;for(let[i,s]of this.#l){let r=s.filter(o=>o.checked).map(o=>o.value);r.length>0&&e.set(i,r)}let t=new Map;for(let[i,s]of this.#o){let r=yi(s.value);r!==null&&Number.isFinite(r)&&t.set(i,r)}return{anyOf:e,least:t}}get on(){return new Set(this.#n.filter(e=>e.checked).map(e=>e.value))}get hidden(){return this.#n.filter(e=>!e.checked).map(e=>e.value)}offerLines(e,t){let i=new Set(t);this.#n=[],this.#r.replaceChildren(...e.names.map((s,r)=>{let o=ce("input",{type:"checkbox",value:s});return o.checked=!i.has(s),o.style.accentColor=e.colours[r],o.addEventListener("change",()=>this.choices.refresh()),this.#n.push(o),ce("label",{},o,ce("span",{},s),ce("span",{class:"number quiet"}))}))}countLines(e){e.forEach((t,i)=>{this.#r.children[i].lastElementChild.textContent=pt(t)})}offerDrags(){this.turns.hidden=!this.#t,of(this.#c,this.#t?"3-D":"2-D");let e=this.#t?["Turn",...rf]:rf;this.#a.replaceChildren(...e.map(t=>Mi(t,()=>this.#g(t)))),this.#g(e[0])}beginTurn(){this.#i=[this.#h.input.valueAsNumber,this.#u.input.valueAsNumber]}dragTurn(e,t){let[i,s]=this.#i,r=i+Math.round(e/sf)+180;this.#h.input.valueAsNumber=(r%360+360)%360-180,this.#u.input.valueAsNumber=Math.max(-90,Math.min(90,s-Math.round(t/sf))),this.#f()}#f(){this.#h.show(),this.#u.show(),this.choices.turn()}#d(e){e!==this.#t&&(this.#t=e,this.offerDrags(),this.choices.changeSides())}#g(e){this.#e=e,of(this.#a,e)}#p(e){for(let t of this.#n)t.checked=e;this.choices.refresh()}#_(e){let t=ce("input",{type:"text",placeholder:"id, then Enter",autocomplete:"off",spellcheck:"false"});return t.addEventListener("keydown",i=>{i.key==="Enter"&&this.choices.goTo(t.value)}),ce("label",{},e,t)}#y(e,t){let i=[];for(let o of Object.keys(Ot))this.points.categories.has(o)&&i.push(this.#m(o,t(Ot[o]),e.anyOf.get(o)??[]));for(let o of Object.keys(Et)){if(!this.columns.has(o))continue;let a=ce("input",{type:"number",step:"any"}),l=e.least.get(o);l!==void 0&&(a.value=cn(l)),a.addEventListener("change",()=>this.choices.refilter()),this.#o.set(o,a),i.push(ce("label",{},`${t(Et[o])}, at least`,a))}if(i.length===0)return[];let s=ce("div",{class:"map-filters"},...i),r=Mi("Filters",()=>{s.hidden=!s.hidden,r.setAttribute("aria-expanded",String(!s.hidden))});return s.hidden=e.anyOf.size+e.least.size===0,r.setAttribute("aria-expanded",String(!s.hidden)),[r,s]}#m(e,t,i){let s=ce("summary"),r=ce("div",{class:"choices"}),o=ce("details",{class:"filter",open:i.length>0},s,r),a=[];this.#l.set(e,a);let l=()=>{let u=a.filter(h=>h.checked).length;s.textContent=u>0?`${t}: ${u} chosen`:t},c=()=>{if(a.length>0)return;let u=this.points.categories.get(e).counts(),h=new Set([...u].sort((f,d)=>d[1]-f[1]).slice(0,nf).map(([f])=>f));for(let[f,d]of u){if(!h.has(f)&&!i.includes(f))continue;let m=ce("input",{type:"checkbox",value:f});m.checked=i.includes(f),m.addEventListener("change",()=>{l(),this.choices.refilter()}),a.push(m);let y=ce("span",{class:"quiet number"},pt(d));r.append(ce("label",{},m,ce("span",{},f),y))}h.size<u.length&&r.append(ce("p",{class:"quiet"},`The ${nf} most common of ${pt(u.length)}.`))};return i.length>0&&c(),o.addEventListener("toggle",c),l(),o}};function Mi(n,e,t=""){let i=ce("button",{type:"button",title:t||null},n);return i.addEventListener("click",e),i}function of(n,e){for(let t of n.children)t.setAttribute("aria-pressed",String(t.textContent===e))}function af(n,e,t){let i=ce("input",{type:"range",min:-e,max:e,step:1,value:t}),s=ce("span"),r=()=>{s.textContent=`${n}: ${i.value}`};return r(),{input:i,show:r,element:ce("label",{},s,i)}}var cg=4,ug=.0015,hg={ArrowLeft:[-1,0],ArrowRight:[1,0],ArrowUp:[0,1],ArrowDown:[0,-1]};function cf(n,e){let{element:t}=n,i=new Map,s=null,r=[],o=!1,a="Move",l=u=>{let{left:h,top:f}=t.getBoundingClientRect();return[u.clientX-h-t.clientLeft,u.clientY-f-t.clientTop]};t.addEventListener("pointerdown",u=>{if(u.button===0){if(t.setPointerCapture(u.pointerId),i.set(u.pointerId,l(u)),i.size>1){s=null,r.length>0&&n.outline(null),r=[];return}s=l(u),o=!1,a=e.mode(),r=[],a==="Turn"&&e.turnBegins()}}),t.addEventListener("pointermove",u=>{let h=l(u),f=i.get(u.pointerId);if(f===void 0){u.pointerType!=="touch"&&e.hover(h);return}if(i.size===2&&fg(n,[...i.values()],u.pointerId,i,h),i.set(u.pointerId,h),s===null||i.size>1||!o&&Math.hypot(h[0]-s[0],h[1]-s[1])<=cg)return;o||e.hover(null);let d=o?f:s;o=!0,a==="Move"?n.drag(h[0]-d[0],h[1]-d[1]):a==="Turn"?e.turn(h[0]-s[0],h[1]-s[1]):(r=a==="Box"?[s,h]:[...r.length>0?r:[s],h],n.outline(lf(n,a,r)))});let c=u=>{let h=i.get(u.pointerId);if(i.delete(u.pointerId),!(h===void 0||s===null)){if(s=null,u.type==="pointercancel")r.length>0&&n.outline(null);else if(!o)e.click(...h);else if(r.length>0){let f=lf(n,a,r);f!==null&&e.draw(f)}r=[]}};t.addEventListener("pointerup",c),t.addEventListener("pointercancel",c),t.addEventListener("pointerleave",()=>e.hover(null)),t.addEventListener("dblclick",u=>e.doubleClick(...l(u))),t.addEventListener("wheel",u=>{u.preventDefault();let h=u.deltaMode===WheelEvent.DOM_DELTA_PIXEL?1:16,f=Math.max(-300,Math.min(300,u.deltaY*h*(u.ctrlKey?6:1)));n.zoom(Math.exp(f*ug),...l(u))},{passive:!1}),t.addEventListener("keydown",u=>{if(u.ctrlKey||u.metaKey||u.altKey)return;let h=hg[u.key];if(h!==void 0)n.move(...h);else if(u.key==="+"||u.key==="=")n.zoom(.6);else if(u.key==="-")n.zoom(1/.6);else if(u.key==="0"||u.key==="Home")n.fit();else if(u.key==="Escape")n.outline(null);else return;u.preventDefault()})}function fg(n,e,t,i,s){let r=[...i].map(([u,h])=>u===t?s:h),o=u=>[0,1].map(h=>(u[0][h]+u[1][h])/2),a=u=>Math.hypot(u[0][0]-u[1][0],u[0][1]-u[1][1])||1,[l,c]=[o(e),o(r)];n.drag(c[0]-l[0],c[1]-l[1]),n.zoom(a(e)/a(r),c[0],c[1])}function lf(n,e,t){let i=n.window;if(i===null)return null;let s=t.map(a=>vi(i,...a)),[r,o]=[s.map(a=>a[0]),s.map(a=>a[1])];return e==="Lasso"?{type:"poly",x:r,y:o}:{type:"rect",x:[Math.min(...r),Math.max(...r)],y:[Math.min(...o),Math.max(...o)]}}var jr=class{constructor(e,t,i){this.points=e;this.numbers=t;this.positions=i;this.flat=this.plane=new Ps(i.map)}points;numbers;positions;flat;plane;colouring;shown=new Uint8Array(0);#e=null;#t=new Map;get columns(){let e=[...this.points.categories.values()].map(({name:t,title:i})=>[t,i]);return new Map([...e,...[...this.numbers.keys()].map(t=>[t,Et[t]])])}project(e){if(e===null||this.positions.space===null){this.plane=this.flat;return}this.#e??=new Ps(this.positions.space),this.plane=this.#e,this.plane.turn(...e)}colourBy(e){let t=this.#t.get(this.plane)??new Map;this.#t.set(this.plane,t),this.colouring=t.get(e)??this.#n(e),t.set(e,this.colouring)}show(e,t){let i=this.points.select(e,this.numbers),{rows:s}=this.plane,{codes:r,names:o}=this.colouring,a=Uint8Array.from(o,c=>Number(t.has(c))),l=new Uint8Array(s.length);this.shown=new Uint8Array(s.length);for(let c=0;c<s.length;c++)l[c]=i[s[c]],this.shown[c]=l[c]&a[r[c]];return Yr(this.colouring,l)}get content(){let e=new Uint32Array(this.shown.length),t=0;for(let i=0;i<e.length;i++)this.shown[i]&&(e[t++]=i);return{plane:this.plane,colouring:this.colouring,shown:e.slice(0,t),none:this.points.none}}#n(e){let t={name:this.points.none,colour:this.points.noiseColour},i=this.points.categories.get(e);if(i!==void 0)return Kh(i,this.plane.rows,t);let s=this.numbers.get(e);return jh({name:e,title:Et[e],values:s},this.plane.rows,t)}};var uf=50,dg=24;var hf=["cosine","l2","l1","inner_product"],Xl="_least",Qr=300,Ns={synapseId:"",columns:"",k:4,metric:"cosine",ownNeuron:!1,nearNm:0,filters:Vh};function pg(n){return[["columns",n.columns],["k",String(n.k)],["metric",n.metric],["own_neuron",n.ownNeuron?"in":"out"],["near_nm",cn(n.nearNm)],...$l(n.filters)]}function eo(n){let e=n.synapseId?[["synapse_id",n.synapseId]]:[];return Cs([...e,...pg(n)])}function $l(n){return[...[...n.anyOf].flatMap(([e,t])=>t.map(i=>[e,i])),...[...n.least].map(([e,t])=>[`${e}${Xl}`,cn(t)])]}function mg(n){let e=new Map,t=new Map;for(let[i,s]of n){let r=i.endsWith(Xl)?i.slice(0,-Xl.length):i;Object.hasOwn(Ot,i)&&s?e.set(i,[...e.get(i)??[],s]):Object.hasOwn(Et,r)&&Es(s)&&t.set(r,ql(`least ${Et[r]}`,s))}return{anyOf:e,least:t}}function ff(n,e){let t=[...n],i=new Map(t.map(([m,y])=>[m,m==="synapse_id"?y:Es(y)])),s=i.get("metric")||e.metric;if(!gg(s))throw new Ke(`no metric '${Rs(s,Qr)}'; there are ${hf.join(", ")}`);let r=i.get("columns")??e.columns;if(r&&!Object.hasOwn(Ot,r)){let m=Object.keys(Ot).join(", ");throw new Ke(`no column '${Rs(r,Qr)}' of classes; there are ${m}`)}let o=i.get("k"),a=o?ql("number in a column",o):r?e.k:dg;if(!(a>=1&&a<=uf)||a!==Math.trunc(a))throw new Ke(`a column shows 1 to ${uf} synapses, not ${Ts(a)}`);let l=i.get("near_nm"),c=l===void 0?e.nearNm:ql("distance in space",l||"0");if(c<0)throw new Ke(`distance in space: it is zero or more, not ${Ts(c)} nm`);let u=(i.get("own_neuron")??(e.ownNeuron?"in":"out"))==="in",h=i.get("synapse_id")??"",f=Es(h)!=="";if((f?["place"]:["place","place_before","upload"]).some(m=>i.get(m)))throw new Ke("a search with a place or a picture needs the encoder, which this site does without: search with the id of a synapse");return{synapseId:f?h:"",columns:r,k:a,metric:s,ownNeuron:u,nearNm:c,filters:mg(t)}}function gg(n){return hf.includes(n)}function ql(n,e){let t=yi(e);if(t===null)throw new Ke(`${n}: '${Rs(e,Qr)}' is no number`);if(!(Math.abs(t)<1e15))throw new Ke(`${n}: '${Rs(e,Qr)}' is no finite number`);return t}var to=class{constructor(e,t,i,s,r,o){this.site=e;this.model=t;this.viewport=i;this.similar=s;this.words=r;this.updated=o}site;model;viewport;similar;words;updated;question=Ns;caption="";#e="";begin(e,t){let i=this.model.points.row(e.synapseId);this.viewport.mark("query",[i]);let s=this.model.plane.indexOf(i)!==null;return this.#e=`★ query ${e.synapseId}${s?"":", which has no place on the map"}`,this.caption=this.#e,this.question=e,this.searchAmong(t),i}async searchAmong(e){let t={...this.question,filters:e};if(this.question=t,!this.site.has_pictures)return;let i=[],s="";try{i=(await this.similar(new URLSearchParams(eo(t)))).map(o=>this.model.points.row(o)),s=this.#t(t,i)}catch(r){r instanceof Ke||console.error(r),s=r instanceof Error?r.message:String(r)}t===this.question&&(this.viewport.mark("near",i),this.caption=`${this.#e} · ${s}`,this.updated())}#t(e,t){let i=t.filter(c=>this.model.plane.indexOf(c)!==null).length,s=e.columns?` of each ${this.words(Ot[e.columns])}`:"",r=this.model.points.neuronIds.length>0&&!e.ownNeuron?" of other neurons":"",o=e.columns?`${e.k} nearest${s}`:`${t.length} nearest`,a=(this.site.metrics[e.metric]??e.metric).split(",")[0],l=i<t.length?` (${i} have a place on the map)`:"";return`◯ its ${o}${r}, by ${a}${l}`}};var df=1e9,_g=80;function gf(n){let e=[["colour",n.colour],...n.hidden.map(yg("off"))];return n.turn!==null&&e.push(["turned",n.turn.join(",")]),n.view!==null&&e.push(["look",n.view.map(t=>Ts(t)).join(",")]),n.question.synapseId?`${eo({...n.question,filters:n.filters})}&${Cs(e)}`:Cs([...$l(n.filters),...e])}function _f(n,e){let t=[],i=new Yl(n,e,t),[s,r,o,a]=[i.view(),i.colour(),i.filters(),i.turn()];return[{view:s,colour:r,filters:o,turn:a,hidden:n.getAll("off"),question:i.question()},t]}var Yl=class{constructor(e,t,i){this.parameters=e;this.offered=t;this.messages=i}parameters;offered;messages;view(){let e=this.numbers("look","the place to look at",3);return e!==null&&e[2]>1/df?[e[0],e[1],e[2]]:null}turn(){let e=this.numbers("turned","the turn",2);return e===null||!this.offered.hasSpace?null:[mf(pf(e[0],180)),mf(pf(e[1],90))]}colour(){let{columns:e,classes:t}=this.offered,i=this.parameters.get("colour")??"";if(e.has(i))return i;if(i){let r=[...e.keys()].join(", ");this.messages.push(`there is no column '${i}' to colour by; there are ${r}`)}let s=[...e.keys()];return s.find(r=>(t.get(r)?.length??2)>1)??s[0]??""}filters(){let e=new Map;for(let i of Object.keys(Ot)){let s=this.parameters.getAll(i).filter(r=>r!==""&&this.isUsable({anyOf:new Map([[i,[r]]]),least:new Map}));s.length>0&&e.set(i,s)}let t=new Map;for(let i of Object.keys(Et))for(let s of this.parameters.getAll(`${i}_least`)){if(s==="")continue;let r=yi(s);r===null||!Number.isFinite(r)?this.messages.push(`a filter was left out, because ${i}_least=${s} is not a number`):this.isUsable({anyOf:new Map,least:new Map([[i,r]])})&&!t.has(i)&&t.set(i,r)}return{anyOf:e,least:t}}question(){let e=new Set([...Object.keys(Ot),...Object.keys(Et).map(t=>`${t}_least`)]);try{return ff([...this.parameters].filter(([t])=>!e.has(t)),Ns)}catch(t){if(!(t instanceof Ke))throw t;return this.messages.push(t.message),Ns}}isUsable(e){try{return this.offered.check(e),!0}catch(t){if(!(t instanceof Ke))throw t;return this.messages.push(`a filter was left out, because ${t.message}`),!1}}numbers(e,t,i){let s=this.parameters.get(e)??"";if(!s)return null;let r=s.split(",").map(a=>yi(a)??Number.NaN);if(r.length===i&&r.every(a=>Math.abs(a)<=df))return r;let o=[...s].slice(0,_g).join("");return this.messages.push(`${t} of this address, ${e}=${o}, was left out: it needs ${i} numbers, separated by commas`),null}};function yg(n){return e=>[n,e]}function pf(n,e){return Math.max(-e,Math.min(e,n))}function mf(n){let e=Math.floor(n),t=n-e===.5?e+(e%2===0?0:1):Math.round(n);return t===0?0:t}var Jl='""',yf=2e4,xg=/^'*[=+\-@\t\r\n＝＋－＠]/;function Sf(n,e,t,i){let s=[["synapse_id",o=>Zl(n.ids[o])]];for(let[o,a]of["x_nm","y_nm","z_nm"].entries())s.push([a,l=>Mg(n.placesNm[o][l])]);s.push(["neuron_id",o=>xf(n.neuronId(o),n.neuronIds)]);for(let[o,a]of n.categories)s.push([o,l=>xf(a.value(l),a.names)]),o==="cluster"&&s.push(["cluster_verdict",()=>Zl(n.clusterVerdict??"")]);for(let[o,a]of e)s.push([o,l=>Mf(a[l])]);for(let[o,a]of["map_1","map_2"].entries())s.push([a,l=>Mf(t[o][l])]);let r=[`${s.map(([o])=>`"${o}"`).join(",")}
`];for(let o=0;o<i.length;o+=yf){let a="";for(let l=o;l<Math.min(o+yf,i.length);l++)a+=`${s.map(([,c])=>c(i[l])).join(",")}
`;r.push(a)}return new Blob(r,{type:"text/csv"})}function Zl(n){return`"${(xg.test(n)?`'${n}`:n).replaceAll('"','""')}"`}function xf(n,e){return n===null?Jl:vg(e)?n:Zl(n)}var vf=new WeakMap;function vg(n){let e=vf.get(n)??n.every(t=>/^-?\d{1,19}$/.test(t));return vf.set(n,e),e}function Mg(n){return Number.isNaN(n)?Jl:cn(n)}function Mf(n){if(Number.isNaN(n))return Jl;for(let e=6;e<9;e++){let t=Number(n.toPrecision(e));if(Math.fround(t)===n)return cn(t)}return cn(Number(n.toPrecision(9)))}var bf="not assessed",Sg=["target","predicted","brain_region","cluster","score"];function wf(n,e){let t=Lf(n).filter(([i])=>Sg.includes(i));return ce("div",{class:"tip"},Kl(n,e),Nf(n,e,t))}function Af({hasPictures:n}){return ce("div",{class:"card"},ce("p",{class:"quiet"},`Rest on a point to see it; ${n?"click it to keep it here, twice to search with it":"click it to keep it here"}. Lasso and Box select many.`))}function Ef(n,e){let t=n.points.ids[e],[i,s,r]=n.points.placesNm,o=[i,s,r].map(c=>pt(c[e])).join(", "),a=Lf(n).filter(([c])=>c!=="probability"),l=n.hasPictures?ce("a",{href:n.searchUrl(t)},"Search similar"):null;return ce("div",{class:"card"},ce("div",{},ce("h2",{},`${wg(n.words("synapse"))} ${t}`),Kl(n,e)),ce("div",{},Nf(n,e,[["neuron_id","neuron"],...a],[["x, y, z in nm",o]]),ce("div",{class:"actions"},l,ce("a",{href:n.cardUrl(t)},"Open card"))))}function Tf(n,e,t,i){let s=e.length<i?`The first ${pt(e.length)} of ${pt(i)}`:`All ${pt(i)}`,r=e.map((o,a)=>{let l=n.points.ids[o],c=ce("a",{href:n.cardUrl(l),title:l},Kl(n,o)??l);return c.style.borderColor=t[a],c});return[ce("h2",{},s),ce("div",{class:n.hasPictures?"grid":"list"},...r)]}function Rf(n,e,t){let i=t.reduce((l,c)=>l+c,0),s=t.reduce((l,c)=>Math.max(l,c),0),o=Array.from(t.keys()).sort((l,c)=>t[c]-t[l]||l-c).filter(l=>t[l]>0).map(l=>{let c=ce("i");return c.style.width=`${Nn(100*t[l]/s,1)}%`,c.style.background=e.colours[l],ce("tr",{},ce("td",{class:"name"},e.names[l]),ce("td",{class:"bar"},c),ce("td",{class:"number"},pt(t[l])),ce("td",{class:"number"},`${Nn(100*t[l]/i,1)} %`))}),a=`${pt(i)} selected, by ${n.words(e.title)}`;return[ce("h2",{},a),ce("table",{},...o)]}function Cf(n,e){let t=ce("textarea",{readonly:!0,rows:4,"aria-label":"Ids"});t.value=n.join(`
`);let i=ce("button",{type:"button"},"Copy");i.addEventListener("click",()=>{t.select(),document.execCommand("copy"),i.textContent="Copied"});let s=n.length<e?`, the first ${pt(n.length)}`:"";return[ce("h2",{class:"ids"},`Ids${s} `,i),t]}function If({words:n},e,t,i,...s){let r=ce("p",{style:"margin:0"},ce("strong",{},pt(e)));r.append(` of ${pt(t)} ${n("synapses")} shown`),i>t&&r.append(` · ${pt(i-t)} have no place on the map`);for(let o of s)o!==null&&o!==""&&r.append(" · ",o);return r}function Pf({points:n,clustersUrl:e}){let t=n.clusterVerdict??bf,i=e===null?t:ce("a",{href:e},t);return ce("span",{},"clusters: ",i)}function Ds(n){return n.map(e=>ce("p",{class:"notice"},`${e.charAt(0).toUpperCase()}${e.slice(1)}.`))}function Lf({points:n,numbers:e,words:t}){return Object.entries({...Ot,...Et}).filter(([i])=>n.categories.has(i)||e.has(i)).map(([i,s])=>[i,t(s)])}function Kl(n,e){return n.hasPictures?ce("img",{class:"tile",alt:"","data-tile":n.points.tiles[e]}):null}function Nf(n,e,t,i=[]){let{points:s,numbers:r}=n,o=[];for(let[a,l]of t){let c=r.get(a)?.[e],u=a==="neuron_id"?s.neuronId(e):s.categories.get(a)?.value(e)??null;c!==void 0&&!Number.isNaN(c)?o.push([l,Nn(c,3)]):u!==null&&o.push([l,u+bg(n,a,e)])}return ce("dl",{},...[...o,...i].flatMap(([a,l])=>[ce("dt",{},a),ce("dd",{},l)]))}function bg({points:n,numbers:e},t,i){let s=e.get("probability")?.[i]??Number.NaN;return t==="predicted"&&!Number.isNaN(s)?` (${Nn(100*s,0)}%)`:t==="cluster"?` (${n.clusterVerdict??bf})`:""}function wg(n){return n.charAt(0).toUpperCase()+n.slice(1).toLowerCase()}var jl=[4e5,4e4],Us=150,no=.85;function io(n){return jl.filter(e=>n<=e).length}function so(n){return n<=1e3?9:6}function ro({plane:n,colouring:e,shown:t,none:i},s){let r=t.length<=8e3?t.slice():Eg(n,t,s,8e3);if(r===null)return null;let{depth:o}=n;if(o!==null)return r.sort((c,u)=>o[u]-o[c]||c-u);let a=e.names.indexOf(i),l=c=>e.codes[c]===a?0:1;return r.sort((c,u)=>l(c)-l(u)||n.rows[c]-n.rows[u])}function Eg({x:n,y:e},t,i,s){let[[r,o],[a,l]]=[i.x,i.y],c=new Uint32Array(s),u=0;for(let h of t)if(!(n[h]<r||n[h]>o||e[h]<a||e[h]>l)){if(u===s)return null;c[u++]=h}return c.slice(0,u)}var Tg=4*Kn,Vi=jl.length,Fs=class{kind="canvas";element=document.createElement("canvas");#e=this.element.getContext("2d",{willReadFrequently:!0});#t=document.createElement("canvas");#n=this.#t.getContext("2d",{willReadFrequently:!0});#i=null;#s=null;show(e){this.#i=e}turn(){}draw(e,t){let i=this.#i;if(i===null)return;let s=devicePixelRatio;this.element.width=Math.max(1,Math.round(e.widthPx*s)),this.element.height=Math.max(1,Math.round(e.heightPx*s)),this.#e.scale(s,s);let r=ro(i,e);r===null?this.#l(i,e,t?Tg:1/0):this.#r(i,e,r)}dispose(){this.element.remove()}#r({plane:e,colouring:t},i,s){let r=so(s.length)/2;this.#e.globalAlpha=no;for(let o of s){let[a,l]=Is(i,e.x[o],e.y[o]);this.#e.fillStyle=t.colours[t.codes[o]],this.#e.beginPath(),this.#e.arc(a,l,r,0,2*Math.PI),this.#e.fill()}}#l({plane:e,colouring:t,shown:i},s,r){let[o,a]=[Math.max(1,Math.round(s.widthPx)),Math.max(1,Math.round(s.heightPx))];(this.#s?.width!==o||this.#s.height!==a)&&(this.#s=new Ql(o,a)),this.#s.draw(e.x,e.y,t,i,s,r),[this.#t.width,this.#t.height]=[o,a],this.#n.putImageData(new ImageData(this.#s.pixels,o,a),0,0),this.#e.drawImage(this.#t,0,0,s.widthPx,s.heightPx)}},Ql=class{constructor(e,t){this.width=e;this.height=t;this.pixels=new Uint8ClampedArray(4*e*t),this.#e=e+2*Vi,this.#t=new Float32Array(4*this.#e*(t+2*Vi))}width;height;pixels;#e;#t;#n=null;draw(e,t,i,s,r,o){let a=s.subarray(0,o),l=this.#i(e,t,i,a,r),c=io(l*s.length/Math.max(1,a.length)),u=c===0?this.#t:this.#s(c),h=ec(u,3,4),{pixels:f,width:d,height:m}=this;f.fill(0);for(let y=0,g=0;y<m;y++){let p=4*((y+Vi)*this.#e+Vi);for(let x=0;x<d;x++,p+=4,g+=4){let b=u[p+3];b!==0&&(f[g]=Math.floor(u[p]/b),f[g+1]=Math.floor(u[p+1]/b),f[g+2]=Math.floor(u[p+2]/b),f[g+3]=Math.floor(Us+(255-Us)*h[b]))}}}#i(e,t,i,s,r){let[o,a]=[r.x[0],r.y[1]],[l,c]=[this.width/(r.x[1]-o),this.height/(a-r.y[0])],u=Float32Array.from(i.colours.flatMap(Zr)),{codes:h}=i,[f,d,m,y]=[this.#t,this.#e,this.width,this.height];f.fill(0);let g=0;for(let p=0;p<s.length;p++){let x=s[p],b=(e[x]-o)*l,S=(a-t[x])*c;if(b<0||b>=m||S<0||S>=y)continue;let E=4*(((S|0)+Vi)*d+(b|0)+Vi),T=3*h[x];f[E]=f[E]+u[T],f[E+1]=f[E+1]+u[T+1],f[E+2]=f[E+2]+u[T+2],f[E+3]=f[E+3]+1,g++}return g}#s(e){let t=this.#t;this.#n??=new Float32Array(t.length);let i=this.#n;i.fill(0);let s=[];for(let r=-e;r<=e;r++)for(let o=-e;o<=e;o++)r*r+o*o<=(e+.5)**2&&s.push(4*(r*this.#e+o));for(let r=0;r<t.length;r+=4)if(t[r+3]!==0)for(let o of s){let a=r+o;i[a]=i[a]+t[r],i[a+1]=i[a+1]+t[r+1],i[a+2]=i[a+2]+t[r+2],i[a+3]=i[a+3]+t[r+3]}return i}};function ec(n,e,t){let[i,s]=[0,0];for(let o=e;o<n.length;o+=t)i=Math.max(i,n[o]);let r=new Float64Array(i+1);for(let o=e;o<n.length;o+=t)n[o]!==0&&(r[n[o]]=r[n[o]]+1,s++);for(let o=1;o<=i;o++)r[o]=r[o-1]+r[o]/s;return r}var Rg={near:13,picked:14,hovered:11,query:24},Cg=[["#111111",4.5],["#ffffff",1.8]],Ig="#0b6bcb";function Df(n,e,t,i,s){let r=new Path2D;for(let o of t){let a=i.indexOf(o);a!==null&&Pg(r,e,...Is(s,i.x[a],i.y[a]))}for(let[o,a]of Cg)n.strokeStyle=o,n.lineWidth=a,n.stroke(r)}function Uf(n,e,t){let[i,s]=e.type==="poly"?[e.x,e.y]:[[e.x[0],e.x[1],e.x[1],e.x[0]],[e.y[0],e.y[0],e.y[1],e.y[1]]];n.beginPath(),i.forEach((r,o)=>{n.lineTo(...Is(t,r,s[o]))}),n.closePath(),n.strokeStyle=n.fillStyle=Ig,n.lineWidth=1.5,n.stroke(),n.globalAlpha=.08,n.fill("evenodd"),n.globalAlpha=1}function Pg(n,e,t,i){let s=Rg[e]/2;if(e==="picked")n.rect(t-s,i-s,2*s,2*s);else if(e==="query"){let r=new Path2D;for(let o=0;o<10;o++){let a=o%2===0?s:s*.382,l=o*Math.PI/5;r.lineTo(t+a*Math.sin(l),i-a*Math.cos(l))}r.closePath(),n.addPath(r)}else n.moveTo(t+s,i),n.arc(t,i,s,0,2*Math.PI)}var rd=0,Cc=1,od=2;var nr=1,ad=2,ds=3,ci=0,Ut=1,wn=2,Pi=0,ps=1,Ic=2,Pc=3,Lc=4,la=5;var Vn=100,ld=101,cd=102,ud=103,hd=104,fd=200,ir=201,dd=202,pd=203,Nc=204,sr=205,md=206,gd=207,_d=208,yd=209,xd=210,vd=211,Md=212,Sd=213,bd=214,Po=0,Lo=1,No=2,is=3,Do=4,Uo=5,Fo=6,Oo=7,Dc=0,wd=1,Ad=2,An=0,Uc=1,Fc=2,Oc=3,Bc=4,kc=5,zc=6,Gc=7;var Vc=300,Li=301,ms=302,ca=303,ua=304,Bo=1e3,Mn=1001,ko=1002,lt=1003,Ed=1004;var rr=1005;var Nt=1006,ha=1007;var Hn=1008;var $t=1009,Hc=1010,Wc=1011,gs=1012,fa=1013,mn=1014,Yt=1015,Zt=1016,da=1017,pa=1018,Ni=1020,Xc=35902,qc=35899,$c=1021,Yc=1022,gn=1023,zn=1026,Wn=1027,or=1028,ma=1029,ui=1030,ga=1031;var _a=1033,ar=33776,lr=33777,cr=33778,ur=33779,ya=35840,xa=35841,va=35842,Ma=35843,Sa=36196,ba=37492,wa=37496,Aa=37488,Ea=37489,hr=37490,Ta=37491,Ra=37808,Ca=37809,Ia=37810,Pa=37811,La=37812,Na=37813,Da=37814,Ua=37815,Fa=37816,Oa=37817,Ba=37818,ka=37819,za=37820,Ga=37821,Va=36492,Ha=36494,Wa=36495,Xa=36283,qa=36284,fr=36285,$a=36286;var Vs=2300,zo=2301,Co=2302,Sc=2303,bc=2400,wc=2401,Ac=2402;var Td=3200;var Zc=0,Rd=1,Xn="",Wt="srgb",Hs="srgb-linear",Ws="linear",Ye="srgb";var Io=7680;var Cd=519,Id=512,Pd=513,Ld=514,Jc=515,Nd=516,Dd=517,Kc=518,jc=519,Ud=35044;var Qc="300 es",tn=2e3,Xs=2001;function Lg(n){for(let e=n.length-1;e>=0;--e)if(n[e]>=65535)return!0;return!1}function Ng(n){return ArrayBuffer.isView(n)&&!(n instanceof DataView)}function qs(n){return document.createElementNS("http://www.w3.org/1999/xhtml",n)}function Fd(){let n=qs("canvas");return n.style.display="block",n}var Ff={},ss=null;function eu(...n){let e="THREE."+n.shift();ss?ss("log",e,...n):console.log(e,...n)}function Od(n){let e=n[0];if(typeof e=="string"&&e.startsWith("TSL:")){let t=n[1];t&&t.isStackTrace?n[0]+=" "+t.getLocation():n[1]='Stack trace not available. Enable "THREE.Node.captureStackTrace" to capture stack traces.'}return n}function Ce(...n){n=Od(n);let e="THREE."+n.shift();if(ss)ss("warn",e,...n);else{let t=n[0];t&&t.isStackTrace?console.warn(t.getError(e)):console.warn(e,...n)}}function Ie(...n){n=Od(n);let e="THREE."+n.shift();if(ss)ss("error",e,...n);else{let t=n[0];t&&t.isStackTrace?console.error(t.getError(e)):console.error(e,...n)}}function Gs(...n){let e=n.join(" ");e in Ff||(Ff[e]=!0,Ce(...n))}function Bd(n,e,t){return new Promise(function(i,s){function r(){switch(n.clientWaitSync(e,n.SYNC_FLUSH_COMMANDS_BIT,0)){case n.WAIT_FAILED:s();break;case n.TIMEOUT_EXPIRED:setTimeout(r,t);break;default:i()}}setTimeout(r,t)})}var kd={[Po]:Po,[No]:Fo,[Do]:Do,[is]:Uo,[Lo]:Lo,[Fo]:No,[Oo]:Oo,[Uo]:is},Sn=class{addEventListener(e,t){this._listeners===void 0&&(this._listeners={});let i=this._listeners;i[e]===void 0&&(i[e]=[]),i[e].indexOf(t)===-1&&i[e].push(t)}hasEventListener(e,t){let i=this._listeners;return i===void 0?!1:i[e]!==void 0&&i[e].indexOf(t)!==-1}removeEventListener(e,t){let i=this._listeners;if(i===void 0)return;let s=i[e];if(s!==void 0){let r=s.indexOf(t);r!==-1&&s.splice(r,1)}}dispatchEvent(e){let t=this._listeners;if(t===void 0)return;let i=t[e.type];if(i!==void 0){e.target=this;let s=i.slice(0);for(let r=0,o=s.length;r<o;r++)s[r].call(this,e);e.target=null}}},Tt=["00","01","02","03","04","05","06","07","08","09","0a","0b","0c","0d","0e","0f","10","11","12","13","14","15","16","17","18","19","1a","1b","1c","1d","1e","1f","20","21","22","23","24","25","26","27","28","29","2a","2b","2c","2d","2e","2f","30","31","32","33","34","35","36","37","38","39","3a","3b","3c","3d","3e","3f","40","41","42","43","44","45","46","47","48","49","4a","4b","4c","4d","4e","4f","50","51","52","53","54","55","56","57","58","59","5a","5b","5c","5d","5e","5f","60","61","62","63","64","65","66","67","68","69","6a","6b","6c","6d","6e","6f","70","71","72","73","74","75","76","77","78","79","7a","7b","7c","7d","7e","7f","80","81","82","83","84","85","86","87","88","89","8a","8b","8c","8d","8e","8f","90","91","92","93","94","95","96","97","98","99","9a","9b","9c","9d","9e","9f","a0","a1","a2","a3","a4","a5","a6","a7","a8","a9","aa","ab","ac","ad","ae","af","b0","b1","b2","b3","b4","b5","b6","b7","b8","b9","ba","bb","bc","bd","be","bf","c0","c1","c2","c3","c4","c5","c6","c7","c8","c9","ca","cb","cc","cd","ce","cf","d0","d1","d2","d3","d4","d5","d6","d7","d8","d9","da","db","dc","dd","de","df","e0","e1","e2","e3","e4","e5","e6","e7","e8","e9","ea","eb","ec","ed","ee","ef","f0","f1","f2","f3","f4","f5","f6","f7","f8","f9","fa","fb","fc","fd","fe","ff"];var tc=Math.PI/180,Go=180/Math.PI;function dr(){let n=Math.random()*4294967295|0,e=Math.random()*4294967295|0,t=Math.random()*4294967295|0,i=Math.random()*4294967295|0;return(Tt[n&255]+Tt[n>>8&255]+Tt[n>>16&255]+Tt[n>>24&255]+"-"+Tt[e&255]+Tt[e>>8&255]+"-"+Tt[e>>16&15|64]+Tt[e>>24&255]+"-"+Tt[t&63|128]+Tt[t>>8&255]+"-"+Tt[t>>16&255]+Tt[t>>24&255]+Tt[i&255]+Tt[i>>8&255]+Tt[i>>16&255]+Tt[i>>24&255]).toLowerCase()}function He(n,e,t){return Math.max(e,Math.min(t,n))}function Dg(n,e){return(n%e+e)%e}function nc(n,e,t){return(1-t)*n+t*e}function zd(n){return Math.pow(2,Math.floor(Math.log(n)/Math.LN2))}function tu(n){switch(n.constructor){case Uint32Array:return 4294967295;case Uint16Array:return 65535;case Uint8Array:case Uint8ClampedArray:return 255;case Int32Array:return 2147483647;case Int16Array:return 32767;case Int8Array:return 127;default:return}}function Ug(n,e){if(e.constructor===Float32Array)return n;let t=tu(e);if(t===void 0)throw new Error("THREE.MathUtils: Invalid component type.");return Math.max(n/t,-1)}function Fg(n,e){if(e.constructor===Float32Array)return n;let t=tu(e);if(t===void 0)throw new Error("THREE.MathUtils: Invalid component type.");return Math.round(n*t)}var qe=class{static{this.prototype.isVector2=!0}constructor(e=0,t=0){this.x=e,this.y=t}get width(){return this.x}set width(e){this.x=e}get height(){return this.y}set height(e){this.y=e}set(e,t){return this.x=e,this.y=t,this}setScalar(e){return this.x=e,this.y=e,this}setX(e){return this.x=e,this}setY(e){return this.y=e,this}setComponent(e,t){switch(e){case 0:this.x=t;break;case 1:this.y=t;break;default:throw new Error("THREE.Vector2: index is out of range: "+e)}return this}getComponent(e){switch(e){case 0:return this.x;case 1:return this.y;default:throw new Error("THREE.Vector2: index is out of range: "+e)}}clone(){return new this.constructor(this.x,this.y)}copy(e){return this.x=e.x,this.y=e.y,this}add(e){return this.x+=e.x,this.y+=e.y,this}addScalar(e){return this.x+=e,this.y+=e,this}addVectors(e,t){return this.x=e.x+t.x,this.y=e.y+t.y,this}addScaledVector(e,t){return this.x+=e.x*t,this.y+=e.y*t,this}sub(e){return this.x-=e.x,this.y-=e.y,this}subScalar(e){return this.x-=e,this.y-=e,this}subVectors(e,t){return this.x=e.x-t.x,this.y=e.y-t.y,this}multiply(e){return this.x*=e.x,this.y*=e.y,this}multiplyScalar(e){return this.x*=e,this.y*=e,this}divide(e){return this.x/=e.x,this.y/=e.y,this}divideScalar(e){return this.multiplyScalar(1/e)}applyMatrix3(e){let t=this.x,i=this.y,s=e.elements;return this.x=s[0]*t+s[3]*i+s[6],this.y=s[1]*t+s[4]*i+s[7],this}min(e){return this.x=Math.min(this.x,e.x),this.y=Math.min(this.y,e.y),this}max(e){return this.x=Math.max(this.x,e.x),this.y=Math.max(this.y,e.y),this}clamp(e,t){return this.x=He(this.x,e.x,t.x),this.y=He(this.y,e.y,t.y),this}clampScalar(e,t){return this.x=He(this.x,e,t),this.y=He(this.y,e,t),this}clampLength(e,t){let i=this.length();return this.divideScalar(i||1).multiplyScalar(He(i,e,t))}floor(){return this.x=Math.floor(this.x),this.y=Math.floor(this.y),this}ceil(){return this.x=Math.ceil(this.x),this.y=Math.ceil(this.y),this}round(){return this.x=Math.round(this.x),this.y=Math.round(this.y),this}roundToZero(){return this.x=Math.trunc(this.x),this.y=Math.trunc(this.y),this}negate(){return this.x=-this.x,this.y=-this.y,this}dot(e){return this.x*e.x+this.y*e.y}cross(e){return this.x*e.y-this.y*e.x}lengthSq(){return this.x*this.x+this.y*this.y}length(){return Math.sqrt(this.x*this.x+this.y*this.y)}manhattanLength(){return Math.abs(this.x)+Math.abs(this.y)}normalize(){return this.divideScalar(this.length()||1)}angle(){return Math.atan2(-this.y,-this.x)+Math.PI}angleTo(e){let t=Math.sqrt(this.lengthSq()*e.lengthSq());if(t===0)return Math.PI/2;let i=this.dot(e)/t;return Math.acos(He(i,-1,1))}distanceTo(e){return Math.sqrt(this.distanceToSquared(e))}distanceToSquared(e){let t=this.x-e.x,i=this.y-e.y;return t*t+i*i}manhattanDistanceTo(e){return Math.abs(this.x-e.x)+Math.abs(this.y-e.y)}setLength(e){return this.normalize().multiplyScalar(e)}lerp(e,t){return this.x+=(e.x-this.x)*t,this.y+=(e.y-this.y)*t,this}lerpVectors(e,t,i){return this.x=e.x+(t.x-e.x)*i,this.y=e.y+(t.y-e.y)*i,this}equals(e){return e.x===this.x&&e.y===this.y}fromArray(e,t=0){return this.x=e[t],this.y=e[t+1],this}toArray(e=[],t=0){return e[t]=this.x,e[t+1]=this.y,e}fromBufferAttribute(e,t){return this.x=e.getX(t),this.y=e.getY(t),this}rotateAround(e,t){let i=Math.cos(t),s=Math.sin(t),r=this.x-e.x,o=this.y-e.y;return this.x=r*i-o*s+e.x,this.y=r*s+o*i+e.y,this}random(){return this.x=Math.random(),this.y=Math.random(),this}*[Symbol.iterator](){yield this.x,yield this.y}},bn=class{constructor(e=0,t=0,i=0,s=1){this.isQuaternion=!0,this._x=e,this._y=t,this._z=i,this._w=s}static slerpFlat(e,t,i,s,r,o,a){let l=i[s+0],c=i[s+1],u=i[s+2],h=i[s+3],f=r[o+0],d=r[o+1],m=r[o+2],y=r[o+3];if(h!==y||l!==f||c!==d||u!==m){let g=l*f+c*d+u*m+h*y;g<0&&(f=-f,d=-d,m=-m,y=-y,g=-g);let p=1-a;if(g<.9995){let x=Math.acos(g),b=Math.sin(x);p=Math.sin(p*x)/b,a=Math.sin(a*x)/b,l=l*p+f*a,c=c*p+d*a,u=u*p+m*a,h=h*p+y*a}else{l=l*p+f*a,c=c*p+d*a,u=u*p+m*a,h=h*p+y*a;let x=1/Math.sqrt(l*l+c*c+u*u+h*h);l*=x,c*=x,u*=x,h*=x}}e[t]=l,e[t+1]=c,e[t+2]=u,e[t+3]=h}static multiplyQuaternionsFlat(e,t,i,s,r,o){let a=i[s],l=i[s+1],c=i[s+2],u=i[s+3],h=r[o],f=r[o+1],d=r[o+2],m=r[o+3];return e[t]=a*m+u*h+l*d-c*f,e[t+1]=l*m+u*f+c*h-a*d,e[t+2]=c*m+u*d+a*f-l*h,e[t+3]=u*m-a*h-l*f-c*d,e}get x(){return this._x}set x(e){this._x=e,this._onChangeCallback()}get y(){return this._y}set y(e){this._y=e,this._onChangeCallback()}get z(){return this._z}set z(e){this._z=e,this._onChangeCallback()}get w(){return this._w}set w(e){this._w=e,this._onChangeCallback()}set(e,t,i,s){return this._x=e,this._y=t,this._z=i,this._w=s,this._onChangeCallback(),this}clone(){return new this.constructor(this._x,this._y,this._z,this._w)}copy(e){return this._x=e.x,this._y=e.y,this._z=e.z,this._w=e.w,this._onChangeCallback(),this}setFromEuler(e,t=!0){let i=e._x,s=e._y,r=e._z,o=e._order,a=Math.cos,l=Math.sin,c=a(i/2),u=a(s/2),h=a(r/2),f=l(i/2),d=l(s/2),m=l(r/2);switch(o){case"XYZ":this._x=f*u*h+c*d*m,this._y=c*d*h-f*u*m,this._z=c*u*m+f*d*h,this._w=c*u*h-f*d*m;break;case"YXZ":this._x=f*u*h+c*d*m,this._y=c*d*h-f*u*m,this._z=c*u*m-f*d*h,this._w=c*u*h+f*d*m;break;case"ZXY":this._x=f*u*h-c*d*m,this._y=c*d*h+f*u*m,this._z=c*u*m+f*d*h,this._w=c*u*h-f*d*m;break;case"ZYX":this._x=f*u*h-c*d*m,this._y=c*d*h+f*u*m,this._z=c*u*m-f*d*h,this._w=c*u*h+f*d*m;break;case"YZX":this._x=f*u*h+c*d*m,this._y=c*d*h+f*u*m,this._z=c*u*m-f*d*h,this._w=c*u*h-f*d*m;break;case"XZY":this._x=f*u*h-c*d*m,this._y=c*d*h-f*u*m,this._z=c*u*m+f*d*h,this._w=c*u*h+f*d*m;break;default:Ce("Quaternion: .setFromEuler() encountered an unknown order: "+o)}return t===!0&&this._onChangeCallback(),this}setFromAxisAngle(e,t){let i=t/2,s=Math.sin(i);return this._x=e.x*s,this._y=e.y*s,this._z=e.z*s,this._w=Math.cos(i),this._onChangeCallback(),this}setFromRotationMatrix(e){let t=e.elements,i=t[0],s=t[4],r=t[8],o=t[1],a=t[5],l=t[9],c=t[2],u=t[6],h=t[10],f=i+a+h;if(f>0){let d=.5/Math.sqrt(f+1);this._w=.25/d,this._x=(u-l)*d,this._y=(r-c)*d,this._z=(o-s)*d}else if(i>a&&i>h){let d=2*Math.sqrt(1+i-a-h);this._w=(u-l)/d,this._x=.25*d,this._y=(s+o)/d,this._z=(r+c)/d}else if(a>h){let d=2*Math.sqrt(1+a-i-h);this._w=(r-c)/d,this._x=(s+o)/d,this._y=.25*d,this._z=(l+u)/d}else{let d=2*Math.sqrt(1+h-i-a);this._w=(o-s)/d,this._x=(r+c)/d,this._y=(l+u)/d,this._z=.25*d}return this._onChangeCallback(),this}setFromUnitVectors(e,t){let i=e.dot(t)+1;return i<1e-8?(i=0,Math.abs(e.x)>Math.abs(e.z)?(this._x=-e.y,this._y=e.x,this._z=0,this._w=i):(this._x=0,this._y=-e.z,this._z=e.y,this._w=i)):(this._x=e.y*t.z-e.z*t.y,this._y=e.z*t.x-e.x*t.z,this._z=e.x*t.y-e.y*t.x,this._w=i),this.normalize()}angleTo(e){return 2*Math.acos(Math.abs(He(this.dot(e),-1,1)))}rotateTowards(e,t){let i=this.angleTo(e);if(i===0)return this;let s=Math.min(1,t/i);return this.slerp(e,s),this}identity(){return this.set(0,0,0,1)}invert(){return this.conjugate()}conjugate(){return this._x*=-1,this._y*=-1,this._z*=-1,this._onChangeCallback(),this}dot(e){return this._x*e._x+this._y*e._y+this._z*e._z+this._w*e._w}lengthSq(){return this._x*this._x+this._y*this._y+this._z*this._z+this._w*this._w}length(){return Math.sqrt(this._x*this._x+this._y*this._y+this._z*this._z+this._w*this._w)}normalize(){let e=this.length();return e===0?(this._x=0,this._y=0,this._z=0,this._w=1):(e=1/e,this._x=this._x*e,this._y=this._y*e,this._z=this._z*e,this._w=this._w*e),this._onChangeCallback(),this}multiply(e){return this.multiplyQuaternions(this,e)}premultiply(e){return this.multiplyQuaternions(e,this)}multiplyQuaternions(e,t){let i=e._x,s=e._y,r=e._z,o=e._w,a=t._x,l=t._y,c=t._z,u=t._w;return this._x=i*u+o*a+s*c-r*l,this._y=s*u+o*l+r*a-i*c,this._z=r*u+o*c+i*l-s*a,this._w=o*u-i*a-s*l-r*c,this._onChangeCallback(),this}slerp(e,t){let i=e._x,s=e._y,r=e._z,o=e._w,a=this.dot(e);a<0&&(i=-i,s=-s,r=-r,o=-o,a=-a);let l=1-t;if(a<.9995){let c=Math.acos(a),u=Math.sin(c);l=Math.sin(l*c)/u,t=Math.sin(t*c)/u,this._x=this._x*l+i*t,this._y=this._y*l+s*t,this._z=this._z*l+r*t,this._w=this._w*l+o*t,this._onChangeCallback()}else this._x=this._x*l+i*t,this._y=this._y*l+s*t,this._z=this._z*l+r*t,this._w=this._w*l+o*t,this.normalize();return this}slerpQuaternions(e,t,i){return this.copy(e).slerp(t,i)}random(){let e=2*Math.PI*Math.random(),t=2*Math.PI*Math.random(),i=Math.random(),s=Math.sqrt(1-i),r=Math.sqrt(i);return this.set(s*Math.sin(e),s*Math.cos(e),r*Math.sin(t),r*Math.cos(t))}equals(e){return e._x===this._x&&e._y===this._y&&e._z===this._z&&e._w===this._w}fromArray(e,t=0){return this._x=e[t],this._y=e[t+1],this._z=e[t+2],this._w=e[t+3],this._onChangeCallback(),this}toArray(e=[],t=0){return e[t]=this._x,e[t+1]=this._y,e[t+2]=this._z,e[t+3]=this._w,e}fromBufferAttribute(e,t){return this._x=e.getX(t),this._y=e.getY(t),this._z=e.getZ(t),this._w=e.getW(t),this._onChangeCallback(),this}toJSON(){return this.toArray()}_onChange(e){return this._onChangeCallback=e,this}_onChangeCallback(){}*[Symbol.iterator](){yield this._x,yield this._y,yield this._z,yield this._w}},V=class{static{this.prototype.isVector3=!0}constructor(e=0,t=0,i=0){this.x=e,this.y=t,this.z=i}set(e,t,i){return i===void 0&&(i=this.z),this.x=e,this.y=t,this.z=i,this}setScalar(e){return this.x=e,this.y=e,this.z=e,this}setX(e){return this.x=e,this}setY(e){return this.y=e,this}setZ(e){return this.z=e,this}setComponent(e,t){switch(e){case 0:this.x=t;break;case 1:this.y=t;break;case 2:this.z=t;break;default:throw new Error("THREE.Vector3: index is out of range: "+e)}return this}getComponent(e){switch(e){case 0:return this.x;case 1:return this.y;case 2:return this.z;default:throw new Error("THREE.Vector3: index is out of range: "+e)}}clone(){return new this.constructor(this.x,this.y,this.z)}copy(e){return this.x=e.x,this.y=e.y,this.z=e.z,this}add(e){return this.x+=e.x,this.y+=e.y,this.z+=e.z,this}addScalar(e){return this.x+=e,this.y+=e,this.z+=e,this}addVectors(e,t){return this.x=e.x+t.x,this.y=e.y+t.y,this.z=e.z+t.z,this}addScaledVector(e,t){return this.x+=e.x*t,this.y+=e.y*t,this.z+=e.z*t,this}sub(e){return this.x-=e.x,this.y-=e.y,this.z-=e.z,this}subScalar(e){return this.x-=e,this.y-=e,this.z-=e,this}subVectors(e,t){return this.x=e.x-t.x,this.y=e.y-t.y,this.z=e.z-t.z,this}multiply(e){return this.x*=e.x,this.y*=e.y,this.z*=e.z,this}multiplyScalar(e){return this.x*=e,this.y*=e,this.z*=e,this}multiplyVectors(e,t){return this.x=e.x*t.x,this.y=e.y*t.y,this.z=e.z*t.z,this}applyEuler(e){return this.applyQuaternion(Of.setFromEuler(e))}applyAxisAngle(e,t){return this.applyQuaternion(Of.setFromAxisAngle(e,t))}applyMatrix3(e){let t=this.x,i=this.y,s=this.z,r=e.elements;return this.x=r[0]*t+r[3]*i+r[6]*s,this.y=r[1]*t+r[4]*i+r[7]*s,this.z=r[2]*t+r[5]*i+r[8]*s,this}applyNormalMatrix(e){return this.applyMatrix3(e).normalize()}applyMatrix4(e){let t=this.x,i=this.y,s=this.z,r=e.elements,o=1/(r[3]*t+r[7]*i+r[11]*s+r[15]);return this.x=(r[0]*t+r[4]*i+r[8]*s+r[12])*o,this.y=(r[1]*t+r[5]*i+r[9]*s+r[13])*o,this.z=(r[2]*t+r[6]*i+r[10]*s+r[14])*o,this}applyQuaternion(e){let t=this.x,i=this.y,s=this.z,r=e.x,o=e.y,a=e.z,l=e.w,c=2*(o*s-a*i),u=2*(a*t-r*s),h=2*(r*i-o*t);return this.x=t+l*c+o*h-a*u,this.y=i+l*u+a*c-r*h,this.z=s+l*h+r*u-o*c,this}project(e){return this.applyMatrix4(e.matrixWorldInverse).applyMatrix4(e.projectionMatrix)}unproject(e){return this.applyMatrix4(e.projectionMatrixInverse).applyMatrix4(e.matrixWorld)}transformDirection(e){let t=this.x,i=this.y,s=this.z,r=e.elements;return this.x=r[0]*t+r[4]*i+r[8]*s,this.y=r[1]*t+r[5]*i+r[9]*s,this.z=r[2]*t+r[6]*i+r[10]*s,this.normalize()}divide(e){return this.x/=e.x,this.y/=e.y,this.z/=e.z,this}divideScalar(e){return this.multiplyScalar(1/e)}min(e){return this.x=Math.min(this.x,e.x),this.y=Math.min(this.y,e.y),this.z=Math.min(this.z,e.z),this}max(e){return this.x=Math.max(this.x,e.x),this.y=Math.max(this.y,e.y),this.z=Math.max(this.z,e.z),this}clamp(e,t){return this.x=He(this.x,e.x,t.x),this.y=He(this.y,e.y,t.y),this.z=He(this.z,e.z,t.z),this}clampScalar(e,t){return this.x=He(this.x,e,t),this.y=He(this.y,e,t),this.z=He(this.z,e,t),this}clampLength(e,t){let i=this.length();return this.divideScalar(i||1).multiplyScalar(He(i,e,t))}floor(){return this.x=Math.floor(this.x),this.y=Math.floor(this.y),this.z=Math.floor(this.z),this}ceil(){return this.x=Math.ceil(this.x),this.y=Math.ceil(this.y),this.z=Math.ceil(this.z),this}round(){return this.x=Math.round(this.x),this.y=Math.round(this.y),this.z=Math.round(this.z),this}roundToZero(){return this.x=Math.trunc(this.x),this.y=Math.trunc(this.y),this.z=Math.trunc(this.z),this}negate(){return this.x=-this.x,this.y=-this.y,this.z=-this.z,this}dot(e){return this.x*e.x+this.y*e.y+this.z*e.z}lengthSq(){return this.x*this.x+this.y*this.y+this.z*this.z}length(){return Math.sqrt(this.x*this.x+this.y*this.y+this.z*this.z)}manhattanLength(){return Math.abs(this.x)+Math.abs(this.y)+Math.abs(this.z)}normalize(){return this.divideScalar(this.length()||1)}setLength(e){return this.normalize().multiplyScalar(e)}lerp(e,t){return this.x+=(e.x-this.x)*t,this.y+=(e.y-this.y)*t,this.z+=(e.z-this.z)*t,this}lerpVectors(e,t,i){return this.x=e.x+(t.x-e.x)*i,this.y=e.y+(t.y-e.y)*i,this.z=e.z+(t.z-e.z)*i,this}cross(e){return this.crossVectors(this,e)}crossVectors(e,t){let i=e.x,s=e.y,r=e.z,o=t.x,a=t.y,l=t.z;return this.x=s*l-r*a,this.y=r*o-i*l,this.z=i*a-s*o,this}projectOnVector(e){let t=e.lengthSq();if(t===0)return this.set(0,0,0);let i=e.dot(this)/t;return this.copy(e).multiplyScalar(i)}projectOnPlane(e){return ic.copy(this).projectOnVector(e),this.sub(ic)}reflect(e){return this.sub(ic.copy(e).multiplyScalar(2*this.dot(e)))}angleTo(e){let t=Math.sqrt(this.lengthSq()*e.lengthSq());if(t===0)return Math.PI/2;let i=this.dot(e)/t;return Math.acos(He(i,-1,1))}distanceTo(e){return Math.sqrt(this.distanceToSquared(e))}distanceToSquared(e){let t=this.x-e.x,i=this.y-e.y,s=this.z-e.z;return t*t+i*i+s*s}manhattanDistanceTo(e){return Math.abs(this.x-e.x)+Math.abs(this.y-e.y)+Math.abs(this.z-e.z)}setFromSpherical(e){return this.setFromSphericalCoords(e.radius,e.phi,e.theta)}setFromSphericalCoords(e,t,i){let s=Math.sin(t)*e;return this.x=s*Math.sin(i),this.y=Math.cos(t)*e,this.z=s*Math.cos(i),this}setFromCylindrical(e){return this.setFromCylindricalCoords(e.radius,e.theta,e.y)}setFromCylindricalCoords(e,t,i){return this.x=e*Math.sin(t),this.y=i,this.z=e*Math.cos(t),this}setFromMatrixPosition(e){let t=e.elements;return this.x=t[12],this.y=t[13],this.z=t[14],this}setFromMatrixScale(e){let t=this.setFromMatrixColumn(e,0).length(),i=this.setFromMatrixColumn(e,1).length(),s=this.setFromMatrixColumn(e,2).length();return this.x=t,this.y=i,this.z=s,this}setFromMatrixColumn(e,t){return this.fromArray(e.elements,t*4)}setFromMatrix3Column(e,t){return this.fromArray(e.elements,t*3)}setFromEuler(e){return this.x=e._x,this.y=e._y,this.z=e._z,this}setFromColor(e){return this.x=e.r,this.y=e.g,this.z=e.b,this}equals(e){return e.x===this.x&&e.y===this.y&&e.z===this.z}fromArray(e,t=0){return this.x=e[t],this.y=e[t+1],this.z=e[t+2],this}toArray(e=[],t=0){return e[t]=this.x,e[t+1]=this.y,e[t+2]=this.z,e}fromBufferAttribute(e,t){return this.x=e.getX(t),this.y=e.getY(t),this.z=e.getZ(t),this}random(){return this.x=Math.random(),this.y=Math.random(),this.z=Math.random(),this}randomDirection(){let e=Math.random()*Math.PI*2,t=Math.random()*2-1,i=Math.sqrt(1-t*t);return this.x=i*Math.cos(e),this.y=t,this.z=i*Math.sin(e),this}*[Symbol.iterator](){yield this.x,yield this.y,yield this.z}},ic=new V,Of=new bn,Le=class{static{this.prototype.isMatrix3=!0}constructor(e,t,i,s,r,o,a,l,c){this.elements=[1,0,0,0,1,0,0,0,1],e!==void 0&&this.set(e,t,i,s,r,o,a,l,c)}set(e,t,i,s,r,o,a,l,c){let u=this.elements;return u[0]=e,u[1]=s,u[2]=a,u[3]=t,u[4]=r,u[5]=l,u[6]=i,u[7]=o,u[8]=c,this}identity(){return this.set(1,0,0,0,1,0,0,0,1),this}copy(e){let t=this.elements,i=e.elements;return t[0]=i[0],t[1]=i[1],t[2]=i[2],t[3]=i[3],t[4]=i[4],t[5]=i[5],t[6]=i[6],t[7]=i[7],t[8]=i[8],this}extractBasis(e,t,i){return e.setFromMatrix3Column(this,0),t.setFromMatrix3Column(this,1),i.setFromMatrix3Column(this,2),this}setFromMatrix4(e){let t=e.elements;return this.set(t[0],t[4],t[8],t[1],t[5],t[9],t[2],t[6],t[10]),this}multiply(e){return this.multiplyMatrices(this,e)}premultiply(e){return this.multiplyMatrices(e,this)}multiplyMatrices(e,t){let i=e.elements,s=t.elements,r=this.elements,o=i[0],a=i[3],l=i[6],c=i[1],u=i[4],h=i[7],f=i[2],d=i[5],m=i[8],y=s[0],g=s[3],p=s[6],x=s[1],b=s[4],S=s[7],E=s[2],T=s[5],_=s[8];return r[0]=o*y+a*x+l*E,r[3]=o*g+a*b+l*T,r[6]=o*p+a*S+l*_,r[1]=c*y+u*x+h*E,r[4]=c*g+u*b+h*T,r[7]=c*p+u*S+h*_,r[2]=f*y+d*x+m*E,r[5]=f*g+d*b+m*T,r[8]=f*p+d*S+m*_,this}multiplyScalar(e){let t=this.elements;return t[0]*=e,t[3]*=e,t[6]*=e,t[1]*=e,t[4]*=e,t[7]*=e,t[2]*=e,t[5]*=e,t[8]*=e,this}determinant(){let e=this.elements,t=e[0],i=e[1],s=e[2],r=e[3],o=e[4],a=e[5],l=e[6],c=e[7],u=e[8];return t*o*u-t*a*c-i*r*u+i*a*l+s*r*c-s*o*l}invert(){let e=this.elements,t=e[0],i=e[1],s=e[2],r=e[3],o=e[4],a=e[5],l=e[6],c=e[7],u=e[8],h=u*o-a*c,f=a*l-u*r,d=c*r-o*l,m=t*h+i*f+s*d;if(m===0)return this.set(0,0,0,0,0,0,0,0,0);let y=1/m;return e[0]=h*y,e[1]=(s*c-u*i)*y,e[2]=(a*i-s*o)*y,e[3]=f*y,e[4]=(u*t-s*l)*y,e[5]=(s*r-a*t)*y,e[6]=d*y,e[7]=(i*l-c*t)*y,e[8]=(o*t-i*r)*y,this}transpose(){let e,t=this.elements;return e=t[1],t[1]=t[3],t[3]=e,e=t[2],t[2]=t[6],t[6]=e,e=t[5],t[5]=t[7],t[7]=e,this}getNormalMatrix(e){return this.setFromMatrix4(e).invert().transpose()}transposeIntoArray(e){let t=this.elements;return e[0]=t[0],e[1]=t[3],e[2]=t[6],e[3]=t[1],e[4]=t[4],e[5]=t[7],e[6]=t[2],e[7]=t[5],e[8]=t[8],this}setUvTransform(e,t,i,s,r,o,a){let l=Math.cos(r),c=Math.sin(r);return this.set(i*l,i*c,-i*(l*o+c*a)+o+e,-s*c,s*l,-s*(-c*o+l*a)+a+t,0,0,1),this}scale(e,t){return Gs("Matrix3: .scale() is deprecated. Use .makeScale() instead."),this.premultiply(sc.makeScale(e,t)),this}rotate(e){return Gs("Matrix3: .rotate() is deprecated. Use .makeRotation() instead."),this.premultiply(sc.makeRotation(-e)),this}translate(e,t){return Gs("Matrix3: .translate() is deprecated. Use .makeTranslation() instead."),this.premultiply(sc.makeTranslation(e,t)),this}makeTranslation(e,t){return e.isVector2?this.set(1,0,e.x,0,1,e.y,0,0,1):this.set(1,0,e,0,1,t,0,0,1),this}makeRotation(e){let t=Math.cos(e),i=Math.sin(e);return this.set(t,-i,0,i,t,0,0,0,1),this}makeScale(e,t){return this.set(e,0,0,0,t,0,0,0,1),this}equals(e){let t=this.elements,i=e.elements;for(let s=0;s<9;s++)if(t[s]!==i[s])return!1;return!0}fromArray(e,t=0){for(let i=0;i<9;i++)this.elements[i]=e[i+t];return this}toArray(e=[],t=0){let i=this.elements;return e[t]=i[0],e[t+1]=i[1],e[t+2]=i[2],e[t+3]=i[3],e[t+4]=i[4],e[t+5]=i[5],e[t+6]=i[6],e[t+7]=i[7],e[t+8]=i[8],e}clone(){return new this.constructor().fromArray(this.elements)}},sc=new Le,Bf=new Le().set(.4123908,.3575843,.1804808,.212639,.7151687,.0721923,.0193308,.1191948,.9505322),kf=new Le().set(3.2409699,-1.5373832,-.4986108,-.9692436,1.8759675,.0415551,.0556301,-.203977,1.0569715);function Og(){let n={enabled:!0,workingColorSpace:Hs,spaces:{},convert:function(s,r,o){return this.enabled===!1||r===o||!r||!o||(this.spaces[r].transfer===Ye&&(s.r=kn(s.r),s.g=kn(s.g),s.b=kn(s.b)),this.spaces[r].primaries!==this.spaces[o].primaries&&(s.applyMatrix3(this.spaces[r].toXYZ),s.applyMatrix3(this.spaces[o].fromXYZ)),this.spaces[o].transfer===Ye&&(s.r=ns(s.r),s.g=ns(s.g),s.b=ns(s.b))),s},workingToColorSpace:function(s,r){return this.convert(s,this.workingColorSpace,r)},colorSpaceToWorking:function(s,r){return this.convert(s,r,this.workingColorSpace)},getPrimaries:function(s){return this.spaces[s].primaries},getTransfer:function(s){return s===Xn?Ws:this.spaces[s].transfer},getToneMappingMode:function(s){return this.spaces[s].outputColorSpaceConfig.toneMappingMode||"standard"},getLuminanceCoefficients:function(s,r=this.workingColorSpace){return s.fromArray(this.spaces[r].luminanceCoefficients)},define:function(s){Object.assign(this.spaces,s)},_getMatrix:function(s,r,o){return s.copy(this.spaces[o].fromXYZ).multiply(this.spaces[r].toXYZ)},_getDrawingBufferColorSpace:function(s){return this.spaces[s].outputColorSpaceConfig.drawingBufferColorSpace},_getUnpackColorSpace:function(s=this.workingColorSpace){return this.spaces[s].workingColorSpaceConfig.unpackColorSpace}},e=[.64,.33,.3,.6,.15,.06],t=[.2126,.7152,.0722],i=[.3127,.329];return n.define({[Hs]:{primaries:e,whitePoint:i,transfer:Ws,toXYZ:Bf,fromXYZ:kf,luminanceCoefficients:t,workingColorSpaceConfig:{unpackColorSpace:Wt},outputColorSpaceConfig:{drawingBufferColorSpace:Wt}},[Wt]:{primaries:e,whitePoint:i,transfer:Ye,toXYZ:Bf,fromXYZ:kf,luminanceCoefficients:t,outputColorSpaceConfig:{drawingBufferColorSpace:Wt}}}),n}var Ve=Og();function kn(n){return n<.04045?n*.0773993808:Math.pow(n*.9478672986+.0521327014,2.4)}function ns(n){return n<.0031308?n*12.92:1.055*Math.pow(n,.41666)-.055}var Hi,Vo=class{static getDataURL(e,t="image/png"){if(/^data:/i.test(e.src)||typeof HTMLCanvasElement>"u")return e.src;let i;if(e instanceof HTMLCanvasElement)i=e;else{Hi===void 0&&(Hi=qs("canvas")),Hi.width=e.width,Hi.height=e.height;let s=Hi.getContext("2d");e instanceof ImageData?s.putImageData(e,0,0):s.drawImage(e,0,0,e.width,e.height),i=Hi}return i.toDataURL(t)}static sRGBToLinear(e){if(typeof HTMLImageElement<"u"&&e instanceof HTMLImageElement||typeof HTMLCanvasElement<"u"&&e instanceof HTMLCanvasElement||typeof ImageBitmap<"u"&&e instanceof ImageBitmap){let t=qs("canvas");t.width=e.width,t.height=e.height;let i=t.getContext("2d");i.drawImage(e,0,0,e.width,e.height);let s=i.getImageData(0,0,e.width,e.height),r=s.data;for(let o=0;o<r.length;o++)r[o]=kn(r[o]/255)*255;return i.putImageData(s,0,0),t}else if(e.data){let t=e.data.slice(0);for(let i=0;i<t.length;i++)t instanceof Uint8Array||t instanceof Uint8ClampedArray?t[i]=Math.floor(kn(t[i]/255)*255):t[i]=kn(t[i]);return{data:t,width:e.width,height:e.height}}else return Ce("ImageUtils.sRGBToLinear(): Unsupported image type. No color space conversion applied."),e}},Bg=0,rs=class{constructor(e=null){this.isTextureSource=!0,Object.defineProperty(this,"id",{value:Bg++}),this.uuid=dr(),this.data=e,this.dataReady=!0,this.version=0}getSize(e){let t=this.data;return typeof HTMLVideoElement<"u"&&t instanceof HTMLVideoElement?e.set(t.videoWidth,t.videoHeight,0):typeof VideoFrame<"u"&&t instanceof VideoFrame?e.set(t.displayWidth,t.displayHeight,0):t!==null?e.set(t.width||0,t.height||0,t.depth||0):e.set(0,0,0),e}set needsUpdate(e){e===!0&&this.version++}toJSON(e){let t=e===void 0||typeof e=="string";if(!t&&e.images[this.uuid]!==void 0)return e.images[this.uuid];let i={uuid:this.uuid,url:""},s=this.data;if(s!==null){let r;if(Array.isArray(s)){r=[];for(let o=0,a=s.length;o<a;o++)s[o].isDataTexture?r.push(rc(s[o].image)):r.push(rc(s[o]))}else r=rc(s);i.url=r}return t||(e.images[this.uuid]=i),i}};function rc(n){return typeof HTMLImageElement<"u"&&n instanceof HTMLImageElement||typeof HTMLCanvasElement<"u"&&n instanceof HTMLCanvasElement||typeof ImageBitmap<"u"&&n instanceof ImageBitmap?Vo.getDataURL(n):n.data?{data:Array.from(n.data),width:n.width,height:n.height,type:n.data.constructor.name}:(Ce("Texture: Unable to serialize Texture."),{})}var kg=0,oc=new V,Bt=class n extends Sn{constructor(e=n.DEFAULT_IMAGE,t=n.DEFAULT_MAPPING,i=Mn,s=Mn,r=Nt,o=Hn,a=gn,l=$t,c=n.DEFAULT_ANISOTROPY,u=Xn){super(),this.isTexture=!0,Object.defineProperty(this,"id",{value:kg++}),this.uuid=dr(),this.name="",this.source=new rs(e),this.mipmaps=[],this.mapping=t,this.channel=0,this.wrapS=i,this.wrapT=s,this.magFilter=r,this.minFilter=o,this.anisotropy=c,this.format=a,this.internalFormat=null,this.type=l,this.offset=new qe(0,0),this.repeat=new qe(1,1),this.center=new qe(0,0),this.rotation=0,this.matrixAutoUpdate=!0,this.matrix=new Le,this.generateMipmaps=!0,this.mipmapsAutoUpdate=!0,this.premultiplyAlpha=!1,this.flipY=!0,this.unpackAlignment=4,this.colorSpace=u,this.userData={},this.updateRanges=[],this.version=0,this.onUpdate=null,this.renderTarget=null,this.isRenderTargetTexture=!1,this.isArrayTexture=!!(e&&e.depth&&e.depth>1),this.pmremVersion=0,this.isPMREMTexture=!1,this.normalized=!1}get width(){return this.source.getSize(oc).x}get height(){return this.source.getSize(oc).y}get depth(){return this.source.getSize(oc).z}get image(){return this.source.data}set image(e){this.source.data=e}updateMatrix(){this.matrix.setUvTransform(this.offset.x,this.offset.y,this.repeat.x,this.repeat.y,this.rotation,this.center.x,this.center.y)}addUpdateRange(e,t){this.updateRanges.push({start:e,count:t})}clearUpdateRanges(){this.updateRanges.length=0}clone(){return new this.constructor().copy(this)}copy(e){return this.name=e.name,this.source=e.source,this.mipmaps=e.mipmaps.slice(0),this.mapping=e.mapping,this.channel=e.channel,this.wrapS=e.wrapS,this.wrapT=e.wrapT,this.magFilter=e.magFilter,this.minFilter=e.minFilter,this.anisotropy=e.anisotropy,this.format=e.format,this.internalFormat=e.internalFormat,this.type=e.type,this.normalized=e.normalized,this.offset.copy(e.offset),this.repeat.copy(e.repeat),this.center.copy(e.center),this.rotation=e.rotation,this.matrixAutoUpdate=e.matrixAutoUpdate,this.matrix.copy(e.matrix),this.generateMipmaps=e.generateMipmaps,this.mipmapsAutoUpdate=e.mipmapsAutoUpdate,this.premultiplyAlpha=e.premultiplyAlpha,this.flipY=e.flipY,this.unpackAlignment=e.unpackAlignment,this.colorSpace=e.colorSpace,this.renderTarget=e.renderTarget,this.isRenderTargetTexture=e.isRenderTargetTexture,this.isPMREMTexture=e.isPMREMTexture,this.isArrayTexture=e.isArrayTexture,this.userData=JSON.parse(JSON.stringify(e.userData)),this.needsUpdate=!0,this}setValues(e){for(let t in e){let i=e[t];if(i===void 0){Ce(`Texture.setValues(): parameter '${t}' has value of undefined.`);continue}let s=this[t];if(s===void 0){Ce(`Texture.setValues(): property '${t}' does not exist.`);continue}s&&i&&s.isVector2&&i.isVector2||s&&i&&s.isVector3&&i.isVector3||s&&i&&s.isMatrix3&&i.isMatrix3?s.copy(i):this[t]=i}}toJSON(e){let t=e===void 0||typeof e=="string";if(!t&&e.textures[this.uuid]!==void 0)return e.textures[this.uuid];let i={metadata:{version:4.7,type:"Texture",generator:"Texture.toJSON"},uuid:this.uuid,name:this.name,image:this.source.toJSON(e).uuid,mapping:this.mapping,channel:this.channel,repeat:[this.repeat.x,this.repeat.y],offset:[this.offset.x,this.offset.y],center:[this.center.x,this.center.y],rotation:this.rotation,wrap:[this.wrapS,this.wrapT],format:this.format,internalFormat:this.internalFormat,type:this.type,normalized:this.normalized,colorSpace:this.colorSpace,minFilter:this.minFilter,magFilter:this.magFilter,anisotropy:this.anisotropy,flipY:this.flipY,generateMipmaps:this.generateMipmaps,mipmapsAutoUpdate:this.mipmapsAutoUpdate,premultiplyAlpha:this.premultiplyAlpha,unpackAlignment:this.unpackAlignment};return Object.keys(this.userData).length>0&&(i.userData=this.userData),t||(e.textures[this.uuid]=i),i}dispose(){this.dispatchEvent({type:"dispose"})}transformUv(e){if(this.mapping!==Vc)return e;if(e.applyMatrix3(this.matrix),e.x<0||e.x>1)switch(this.wrapS){case Bo:e.x=e.x-Math.floor(e.x);break;case Mn:e.x=e.x<0?0:1;break;case ko:Math.abs(Math.floor(e.x)%2)===1?e.x=Math.ceil(e.x)-e.x:e.x=e.x-Math.floor(e.x);break}if(e.y<0||e.y>1)switch(this.wrapT){case Bo:e.y=e.y-Math.floor(e.y);break;case Mn:e.y=e.y<0?0:1;break;case ko:Math.abs(Math.floor(e.y)%2)===1?e.y=Math.ceil(e.y)-e.y:e.y=e.y-Math.floor(e.y);break}return this.flipY&&(e.y=1-e.y),e}set needsUpdate(e){e===!0&&(this.version++,this.source.needsUpdate=!0)}set needsPMREMUpdate(e){e===!0&&this.pmremVersion++}};Bt.DEFAULT_IMAGE=null;Bt.DEFAULT_MAPPING=Vc;Bt.DEFAULT_ANISOTROPY=1;var at=class{static{this.prototype.isVector4=!0}constructor(e=0,t=0,i=0,s=1){this.x=e,this.y=t,this.z=i,this.w=s}get width(){return this.z}set width(e){this.z=e}get height(){return this.w}set height(e){this.w=e}set(e,t,i,s){return this.x=e,this.y=t,this.z=i,this.w=s,this}setScalar(e){return this.x=e,this.y=e,this.z=e,this.w=e,this}setX(e){return this.x=e,this}setY(e){return this.y=e,this}setZ(e){return this.z=e,this}setW(e){return this.w=e,this}setComponent(e,t){switch(e){case 0:this.x=t;break;case 1:this.y=t;break;case 2:this.z=t;break;case 3:this.w=t;break;default:throw new Error("THREE.Vector4: index is out of range: "+e)}return this}getComponent(e){switch(e){case 0:return this.x;case 1:return this.y;case 2:return this.z;case 3:return this.w;default:throw new Error("THREE.Vector4: index is out of range: "+e)}}clone(){return new this.constructor(this.x,this.y,this.z,this.w)}copy(e){return this.x=e.x,this.y=e.y,this.z=e.z,this.w=e.w!==void 0?e.w:1,this}add(e){return this.x+=e.x,this.y+=e.y,this.z+=e.z,this.w+=e.w,this}addScalar(e){return this.x+=e,this.y+=e,this.z+=e,this.w+=e,this}addVectors(e,t){return this.x=e.x+t.x,this.y=e.y+t.y,this.z=e.z+t.z,this.w=e.w+t.w,this}addScaledVector(e,t){return this.x+=e.x*t,this.y+=e.y*t,this.z+=e.z*t,this.w+=e.w*t,this}sub(e){return this.x-=e.x,this.y-=e.y,this.z-=e.z,this.w-=e.w,this}subScalar(e){return this.x-=e,this.y-=e,this.z-=e,this.w-=e,this}subVectors(e,t){return this.x=e.x-t.x,this.y=e.y-t.y,this.z=e.z-t.z,this.w=e.w-t.w,this}multiply(e){return this.x*=e.x,this.y*=e.y,this.z*=e.z,this.w*=e.w,this}multiplyScalar(e){return this.x*=e,this.y*=e,this.z*=e,this.w*=e,this}applyMatrix4(e){let t=this.x,i=this.y,s=this.z,r=this.w,o=e.elements;return this.x=o[0]*t+o[4]*i+o[8]*s+o[12]*r,this.y=o[1]*t+o[5]*i+o[9]*s+o[13]*r,this.z=o[2]*t+o[6]*i+o[10]*s+o[14]*r,this.w=o[3]*t+o[7]*i+o[11]*s+o[15]*r,this}divide(e){return this.x/=e.x,this.y/=e.y,this.z/=e.z,this.w/=e.w,this}divideScalar(e){return this.multiplyScalar(1/e)}setAxisAngleFromQuaternion(e){this.w=2*Math.acos(e.w);let t=Math.sqrt(1-e.w*e.w);return t<1e-4?(this.x=1,this.y=0,this.z=0):(this.x=e.x/t,this.y=e.y/t,this.z=e.z/t),this}setAxisAngleFromRotationMatrix(e){let t,i,s,r,l=e.elements,c=l[0],u=l[4],h=l[8],f=l[1],d=l[5],m=l[9],y=l[2],g=l[6],p=l[10];if(Math.abs(u-f)<.01&&Math.abs(h-y)<.01&&Math.abs(m-g)<.01){if(Math.abs(u+f)<.1&&Math.abs(h+y)<.1&&Math.abs(m+g)<.1&&Math.abs(c+d+p-3)<.1)return this.set(1,0,0,0),this;t=Math.PI;let b=(c+1)/2,S=(d+1)/2,E=(p+1)/2,T=(u+f)/4,_=(h+y)/4,w=(m+g)/4;return b>S&&b>E?b<.01?(i=0,s=.707106781,r=.707106781):(i=Math.sqrt(b),s=T/i,r=_/i):S>E?S<.01?(i=.707106781,s=0,r=.707106781):(s=Math.sqrt(S),i=T/s,r=w/s):E<.01?(i=.707106781,s=.707106781,r=0):(r=Math.sqrt(E),i=_/r,s=w/r),this.set(i,s,r,t),this}let x=Math.sqrt((g-m)*(g-m)+(h-y)*(h-y)+(f-u)*(f-u));return Math.abs(x)<.001&&(x=1),this.x=(g-m)/x,this.y=(h-y)/x,this.z=(f-u)/x,this.w=Math.acos((c+d+p-1)/2),this}setFromMatrixPosition(e){let t=e.elements;return this.x=t[12],this.y=t[13],this.z=t[14],this.w=t[15],this}min(e){return this.x=Math.min(this.x,e.x),this.y=Math.min(this.y,e.y),this.z=Math.min(this.z,e.z),this.w=Math.min(this.w,e.w),this}max(e){return this.x=Math.max(this.x,e.x),this.y=Math.max(this.y,e.y),this.z=Math.max(this.z,e.z),this.w=Math.max(this.w,e.w),this}clamp(e,t){return this.x=He(this.x,e.x,t.x),this.y=He(this.y,e.y,t.y),this.z=He(this.z,e.z,t.z),this.w=He(this.w,e.w,t.w),this}clampScalar(e,t){return this.x=He(this.x,e,t),this.y=He(this.y,e,t),this.z=He(this.z,e,t),this.w=He(this.w,e,t),this}clampLength(e,t){let i=this.length();return this.divideScalar(i||1).multiplyScalar(He(i,e,t))}floor(){return this.x=Math.floor(this.x),this.y=Math.floor(this.y),this.z=Math.floor(this.z),this.w=Math.floor(this.w),this}ceil(){return this.x=Math.ceil(this.x),this.y=Math.ceil(this.y),this.z=Math.ceil(this.z),this.w=Math.ceil(this.w),this}round(){return this.x=Math.round(this.x),this.y=Math.round(this.y),this.z=Math.round(this.z),this.w=Math.round(this.w),this}roundToZero(){return this.x=Math.trunc(this.x),this.y=Math.trunc(this.y),this.z=Math.trunc(this.z),this.w=Math.trunc(this.w),this}negate(){return this.x=-this.x,this.y=-this.y,this.z=-this.z,this.w=-this.w,this}dot(e){return this.x*e.x+this.y*e.y+this.z*e.z+this.w*e.w}lengthSq(){return this.x*this.x+this.y*this.y+this.z*this.z+this.w*this.w}length(){return Math.sqrt(this.x*this.x+this.y*this.y+this.z*this.z+this.w*this.w)}manhattanLength(){return Math.abs(this.x)+Math.abs(this.y)+Math.abs(this.z)+Math.abs(this.w)}normalize(){return this.divideScalar(this.length()||1)}setLength(e){return this.normalize().multiplyScalar(e)}lerp(e,t){return this.x+=(e.x-this.x)*t,this.y+=(e.y-this.y)*t,this.z+=(e.z-this.z)*t,this.w+=(e.w-this.w)*t,this}lerpVectors(e,t,i){return this.x=e.x+(t.x-e.x)*i,this.y=e.y+(t.y-e.y)*i,this.z=e.z+(t.z-e.z)*i,this.w=e.w+(t.w-e.w)*i,this}equals(e){return e.x===this.x&&e.y===this.y&&e.z===this.z&&e.w===this.w}fromArray(e,t=0){return this.x=e[t],this.y=e[t+1],this.z=e[t+2],this.w=e[t+3],this}toArray(e=[],t=0){return e[t]=this.x,e[t+1]=this.y,e[t+2]=this.z,e[t+3]=this.w,e}fromBufferAttribute(e,t){return this.x=e.getX(t),this.y=e.getY(t),this.z=e.getZ(t),this.w=e.getW(t),this}random(){return this.x=Math.random(),this.y=Math.random(),this.z=Math.random(),this.w=Math.random(),this}*[Symbol.iterator](){yield this.x,yield this.y,yield this.z,yield this.w}},Ho=class extends Sn{constructor(e=1,t=1,i={}){super(),i=Object.assign({generateMipmaps:!1,internalFormat:null,minFilter:Nt,depthBuffer:!0,stencilBuffer:!1,resolveColorBuffer:!0,resolveDepthBuffer:!0,resolveStencilBuffer:!0,storeMultisampledColorBuffer:!0,storeMultisampledDepthBuffer:!0,storeMultisampledStencilBuffer:!0,depthTexture:null,samples:0,count:1,depth:1,multiview:!1,useArrayDepthTexture:!1},i),this.isRenderTarget=!0,this.width=e,this.height=t,this.depth=i.depth,this.scissor=new at(0,0,e,t),this.scissorTest=!1,this.viewport=new at(0,0,e,t),this.textures=[];let s=i.count;for(let r=0;r<s;r++)this.textures[r]=new Bt({width:e,height:t,depth:i.depth}),this.textures[r].isRenderTargetTexture=!0,this.textures[r].renderTarget=this;this._setTextureOptions(i),this.depthBuffer=i.depthBuffer,this.stencilBuffer=i.stencilBuffer,this.resolveColorBuffer=i.resolveColorBuffer,this.resolveDepthBuffer=i.resolveDepthBuffer,this.resolveStencilBuffer=i.resolveStencilBuffer,this.storeMultisampledColorBuffer=i.storeMultisampledColorBuffer,this.storeMultisampledDepthBuffer=i.storeMultisampledDepthBuffer,this.storeMultisampledStencilBuffer=i.storeMultisampledStencilBuffer,this._depthTexture=null,this.depthTexture=i.depthTexture,this.samples=i.samples,this.multiview=i.multiview,this.useArrayDepthTexture=i.useArrayDepthTexture}_setTextureOptions(e={}){let t={minFilter:Nt,generateMipmaps:!1,flipY:!1,internalFormat:null};e.mapping!==void 0&&(t.mapping=e.mapping),e.wrapS!==void 0&&(t.wrapS=e.wrapS),e.wrapT!==void 0&&(t.wrapT=e.wrapT),e.wrapR!==void 0&&(t.wrapR=e.wrapR),e.magFilter!==void 0&&(t.magFilter=e.magFilter),e.minFilter!==void 0&&(t.minFilter=e.minFilter),e.format!==void 0&&(t.format=e.format),e.type!==void 0&&(t.type=e.type),e.anisotropy!==void 0&&(t.anisotropy=e.anisotropy),e.colorSpace!==void 0&&(t.colorSpace=e.colorSpace),e.flipY!==void 0&&(t.flipY=e.flipY),e.generateMipmaps!==void 0&&(t.generateMipmaps=e.generateMipmaps),e.mipmapsAutoUpdate!==void 0&&(t.mipmapsAutoUpdate=e.mipmapsAutoUpdate),e.internalFormat!==void 0&&(t.internalFormat=e.internalFormat);for(let i=0;i<this.textures.length;i++)this.textures[i].setValues(t)}get texture(){return this.textures[0]}set texture(e){this.textures[0]=e}set depthTexture(e){this._depthTexture!==null&&this._depthTexture.renderTarget===this&&(this._depthTexture.renderTarget=null),e!==null&&e.renderTarget===null&&(e.renderTarget=this),this._depthTexture=e}get depthTexture(){return this._depthTexture}setSize(e,t,i=1){if(this.width!==e||this.height!==t||this.depth!==i){this.width=e,this.height=t,this.depth=i;for(let s=0,r=this.textures.length;s<r;s++)this.textures[s].image.width=e,this.textures[s].image.height=t,this.textures[s].image.depth=i,this.textures[s].isData3DTexture!==!0&&(this.textures[s].isArrayTexture=this.textures[s].image.depth>1);this.dispose()}this.viewport.set(0,0,e,t),this.scissor.set(0,0,e,t)}clone(){return new this.constructor().copy(this)}copy(e){this.width=e.width,this.height=e.height,this.depth=e.depth,this.scissor.copy(e.scissor),this.scissorTest=e.scissorTest,this.viewport.copy(e.viewport),this.textures.length=0;for(let t=0,i=e.textures.length;t<i;t++){this.textures[t]=e.textures[t].clone(),this.textures[t].isRenderTargetTexture=!0,this.textures[t].renderTarget=this;let s=Object.assign({},e.textures[t].image);this.textures[t].source=new rs(s)}if(this.depthBuffer=e.depthBuffer,this.stencilBuffer=e.stencilBuffer,this.resolveColorBuffer=e.resolveColorBuffer,this.resolveDepthBuffer=e.resolveDepthBuffer,this.resolveStencilBuffer=e.resolveStencilBuffer,this.storeMultisampledColorBuffer=e.storeMultisampledColorBuffer,this.storeMultisampledDepthBuffer=e.storeMultisampledDepthBuffer,this.storeMultisampledStencilBuffer=e.storeMultisampledStencilBuffer,e.depthTexture!==null)if(e.depthTexture.renderTarget===e){let t=e.depthTexture.clone();t.renderTarget=null,this.depthTexture=t}else this.depthTexture=e.depthTexture;else this.depthTexture=null;return this.samples=e.samples,this.multiview=e.multiview,this.useArrayDepthTexture=e.useArrayDepthTexture,this}dispose(){this.dispatchEvent({type:"dispose"})}},Dt=class extends Ho{constructor(e=1,t=1,i={}){super(e,t,i),this.isWebGLRenderTarget=!0}},$s=class extends Bt{constructor(e=null,t=1,i=1,s=1){super(null),this.isDataArrayTexture=!0,this.image={data:e,width:t,height:i,depth:s},this.magFilter=lt,this.minFilter=lt,this.wrapR=Mn,this.generateMipmaps=!1,this.flipY=!1,this.unpackAlignment=1,this.layerUpdates=new Set}copy(e){return super.copy(e),this.wrapR=e.wrapR,this}addLayerUpdate(e){this.layerUpdates.add(e)}clearLayerUpdates(){this.layerUpdates.clear()}};var Wo=class extends Bt{constructor(e=null,t=1,i=1,s=1){super(null),this.isData3DTexture=!0,this.image={data:e,width:t,height:i,depth:s},this.magFilter=lt,this.minFilter=lt,this.wrapR=Mn,this.generateMipmaps=!1,this.flipY=!1,this.unpackAlignment=1}copy(e){return super.copy(e),this.wrapR=e.wrapR,this}};var nt=class n{static{this.prototype.isMatrix4=!0}constructor(e,t,i,s,r,o,a,l,c,u,h,f,d,m,y,g){this.elements=[1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1],e!==void 0&&this.set(e,t,i,s,r,o,a,l,c,u,h,f,d,m,y,g)}set(e,t,i,s,r,o,a,l,c,u,h,f,d,m,y,g){let p=this.elements;return p[0]=e,p[4]=t,p[8]=i,p[12]=s,p[1]=r,p[5]=o,p[9]=a,p[13]=l,p[2]=c,p[6]=u,p[10]=h,p[14]=f,p[3]=d,p[7]=m,p[11]=y,p[15]=g,this}identity(){return this.set(1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1),this}clone(){return new n().fromArray(this.elements)}copy(e){let t=this.elements,i=e.elements;return t[0]=i[0],t[1]=i[1],t[2]=i[2],t[3]=i[3],t[4]=i[4],t[5]=i[5],t[6]=i[6],t[7]=i[7],t[8]=i[8],t[9]=i[9],t[10]=i[10],t[11]=i[11],t[12]=i[12],t[13]=i[13],t[14]=i[14],t[15]=i[15],this}copyPosition(e){let t=this.elements,i=e.elements;return t[12]=i[12],t[13]=i[13],t[14]=i[14],this}setFromMatrix3(e){let t=e.elements;return this.set(t[0],t[3],t[6],0,t[1],t[4],t[7],0,t[2],t[5],t[8],0,0,0,0,1),this}extractBasis(e,t,i){return this.determinantAffine()===0?(e.set(1,0,0),t.set(0,1,0),i.set(0,0,1),this):(e.setFromMatrixColumn(this,0),t.setFromMatrixColumn(this,1),i.setFromMatrixColumn(this,2),this)}makeBasis(e,t,i){return this.set(e.x,t.x,i.x,0,e.y,t.y,i.y,0,e.z,t.z,i.z,0,0,0,0,1),this}extractRotation(e){if(e.determinantAffine()===0)return this.identity();let t=this.elements,i=e.elements,s=1/Wi.setFromMatrixColumn(e,0).length(),r=1/Wi.setFromMatrixColumn(e,1).length(),o=1/Wi.setFromMatrixColumn(e,2).length();return t[0]=i[0]*s,t[1]=i[1]*s,t[2]=i[2]*s,t[3]=0,t[4]=i[4]*r,t[5]=i[5]*r,t[6]=i[6]*r,t[7]=0,t[8]=i[8]*o,t[9]=i[9]*o,t[10]=i[10]*o,t[11]=0,t[12]=0,t[13]=0,t[14]=0,t[15]=1,this}makeRotationFromEuler(e){let t=this.elements,i=e.x,s=e.y,r=e.z,o=Math.cos(i),a=Math.sin(i),l=Math.cos(s),c=Math.sin(s),u=Math.cos(r),h=Math.sin(r);if(e.order==="XYZ"){let f=o*u,d=o*h,m=a*u,y=a*h;t[0]=l*u,t[4]=-l*h,t[8]=c,t[1]=d+m*c,t[5]=f-y*c,t[9]=-a*l,t[2]=y-f*c,t[6]=m+d*c,t[10]=o*l}else if(e.order==="YXZ"){let f=l*u,d=l*h,m=c*u,y=c*h;t[0]=f+y*a,t[4]=m*a-d,t[8]=o*c,t[1]=o*h,t[5]=o*u,t[9]=-a,t[2]=d*a-m,t[6]=y+f*a,t[10]=o*l}else if(e.order==="ZXY"){let f=l*u,d=l*h,m=c*u,y=c*h;t[0]=f-y*a,t[4]=-o*h,t[8]=m+d*a,t[1]=d+m*a,t[5]=o*u,t[9]=y-f*a,t[2]=-o*c,t[6]=a,t[10]=o*l}else if(e.order==="ZYX"){let f=o*u,d=o*h,m=a*u,y=a*h;t[0]=l*u,t[4]=m*c-d,t[8]=f*c+y,t[1]=l*h,t[5]=y*c+f,t[9]=d*c-m,t[2]=-c,t[6]=a*l,t[10]=o*l}else if(e.order==="YZX"){let f=o*l,d=o*c,m=a*l,y=a*c;t[0]=l*u,t[4]=y-f*h,t[8]=m*h+d,t[1]=h,t[5]=o*u,t[9]=-a*u,t[2]=-c*u,t[6]=d*h+m,t[10]=f-y*h}else if(e.order==="XZY"){let f=o*l,d=o*c,m=a*l,y=a*c;t[0]=l*u,t[4]=-h,t[8]=c*u,t[1]=f*h+y,t[5]=o*u,t[9]=d*h-m,t[2]=m*h-d,t[6]=a*u,t[10]=y*h+f}return t[3]=0,t[7]=0,t[11]=0,t[12]=0,t[13]=0,t[14]=0,t[15]=1,this}makeRotationFromQuaternion(e){return this.compose(zg,e,Gg)}lookAt(e,t,i){let s=this.elements;return Vt.subVectors(e,t),Vt.lengthSq()===0&&(Vt.z=1),Vt.normalize(),jn.crossVectors(i,Vt),jn.lengthSq()===0&&(Math.abs(i.z)===1?Vt.x+=1e-4:Vt.z+=1e-4,Vt.normalize(),jn.crossVectors(i,Vt)),jn.normalize(),oo.crossVectors(Vt,jn),s[0]=jn.x,s[4]=oo.x,s[8]=Vt.x,s[1]=jn.y,s[5]=oo.y,s[9]=Vt.y,s[2]=jn.z,s[6]=oo.z,s[10]=Vt.z,this}multiply(e){return this.multiplyMatrices(this,e)}premultiply(e){return this.multiplyMatrices(e,this)}multiplyMatrices(e,t){let i=e.elements,s=t.elements,r=this.elements,o=i[0],a=i[4],l=i[8],c=i[12],u=i[1],h=i[5],f=i[9],d=i[13],m=i[2],y=i[6],g=i[10],p=i[14],x=i[3],b=i[7],S=i[11],E=i[15],T=s[0],_=s[4],w=s[8],D=s[12],P=s[1],N=s[5],k=s[9],W=s[13],C=s[2],G=s[6],$=s[10],B=s[14],ee=s[3],H=s[7],j=s[11],Q=s[15];return r[0]=o*T+a*P+l*C+c*ee,r[4]=o*_+a*N+l*G+c*H,r[8]=o*w+a*k+l*$+c*j,r[12]=o*D+a*W+l*B+c*Q,r[1]=u*T+h*P+f*C+d*ee,r[5]=u*_+h*N+f*G+d*H,r[9]=u*w+h*k+f*$+d*j,r[13]=u*D+h*W+f*B+d*Q,r[2]=m*T+y*P+g*C+p*ee,r[6]=m*_+y*N+g*G+p*H,r[10]=m*w+y*k+g*$+p*j,r[14]=m*D+y*W+g*B+p*Q,r[3]=x*T+b*P+S*C+E*ee,r[7]=x*_+b*N+S*G+E*H,r[11]=x*w+b*k+S*$+E*j,r[15]=x*D+b*W+S*B+E*Q,this}multiplyScalar(e){let t=this.elements;return t[0]*=e,t[4]*=e,t[8]*=e,t[12]*=e,t[1]*=e,t[5]*=e,t[9]*=e,t[13]*=e,t[2]*=e,t[6]*=e,t[10]*=e,t[14]*=e,t[3]*=e,t[7]*=e,t[11]*=e,t[15]*=e,this}determinant(){let e=this.elements,t=e[0],i=e[4],s=e[8],r=e[12],o=e[1],a=e[5],l=e[9],c=e[13],u=e[2],h=e[6],f=e[10],d=e[14],m=e[3],y=e[7],g=e[11],p=e[15],x=l*d-c*f,b=a*d-c*h,S=a*f-l*h,E=o*d-c*u,T=o*f-l*u,_=o*h-a*u;return t*(y*x-g*b+p*S)-i*(m*x-g*E+p*T)+s*(m*b-y*E+p*_)-r*(m*S-y*T+g*_)}determinantAffine(){let e=this.elements,t=e[0],i=e[4],s=e[8],r=e[1],o=e[5],a=e[9],l=e[2],c=e[6],u=e[10];return t*(o*u-a*c)-i*(r*u-a*l)+s*(r*c-o*l)}transpose(){let e=this.elements,t;return t=e[1],e[1]=e[4],e[4]=t,t=e[2],e[2]=e[8],e[8]=t,t=e[6],e[6]=e[9],e[9]=t,t=e[3],e[3]=e[12],e[12]=t,t=e[7],e[7]=e[13],e[13]=t,t=e[11],e[11]=e[14],e[14]=t,this}setPosition(e,t,i){let s=this.elements;return e.isVector3?(s[12]=e.x,s[13]=e.y,s[14]=e.z):(s[12]=e,s[13]=t,s[14]=i),this}invert(){let e=this.elements,t=e[0],i=e[1],s=e[2],r=e[3],o=e[4],a=e[5],l=e[6],c=e[7],u=e[8],h=e[9],f=e[10],d=e[11],m=e[12],y=e[13],g=e[14],p=e[15],x=t*a-i*o,b=t*l-s*o,S=t*c-r*o,E=i*l-s*a,T=i*c-r*a,_=s*c-r*l,w=u*y-h*m,D=u*g-f*m,P=u*p-d*m,N=h*g-f*y,k=h*p-d*y,W=f*p-d*g,C=x*W-b*k+S*N+E*P-T*D+_*w;if(C===0)return this.set(0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0);let G=1/C;return e[0]=(a*W-l*k+c*N)*G,e[1]=(s*k-i*W-r*N)*G,e[2]=(y*_-g*T+p*E)*G,e[3]=(f*T-h*_-d*E)*G,e[4]=(l*P-o*W-c*D)*G,e[5]=(t*W-s*P+r*D)*G,e[6]=(g*S-m*_-p*b)*G,e[7]=(u*_-f*S+d*b)*G,e[8]=(o*k-a*P+c*w)*G,e[9]=(i*P-t*k-r*w)*G,e[10]=(m*T-y*S+p*x)*G,e[11]=(h*S-u*T-d*x)*G,e[12]=(a*D-o*N-l*w)*G,e[13]=(t*N-i*D+s*w)*G,e[14]=(y*b-m*E-g*x)*G,e[15]=(u*E-h*b+f*x)*G,this}scale(e){let t=this.elements,i=e.x,s=e.y,r=e.z;return t[0]*=i,t[4]*=s,t[8]*=r,t[1]*=i,t[5]*=s,t[9]*=r,t[2]*=i,t[6]*=s,t[10]*=r,t[3]*=i,t[7]*=s,t[11]*=r,this}getMaxScaleOnAxis(){let e=this.elements,t=e[0]*e[0]+e[1]*e[1]+e[2]*e[2],i=e[4]*e[4]+e[5]*e[5]+e[6]*e[6],s=e[8]*e[8]+e[9]*e[9]+e[10]*e[10];return Math.sqrt(Math.max(t,i,s))}makeTranslation(e,t,i){return e.isVector3?this.set(1,0,0,e.x,0,1,0,e.y,0,0,1,e.z,0,0,0,1):this.set(1,0,0,e,0,1,0,t,0,0,1,i,0,0,0,1),this}makeRotationX(e){let t=Math.cos(e),i=Math.sin(e);return this.set(1,0,0,0,0,t,-i,0,0,i,t,0,0,0,0,1),this}makeRotationY(e){let t=Math.cos(e),i=Math.sin(e);return this.set(t,0,i,0,0,1,0,0,-i,0,t,0,0,0,0,1),this}makeRotationZ(e){let t=Math.cos(e),i=Math.sin(e);return this.set(t,-i,0,0,i,t,0,0,0,0,1,0,0,0,0,1),this}makeRotationAxis(e,t){let i=Math.cos(t),s=Math.sin(t),r=1-i,o=e.x,a=e.y,l=e.z,c=r*o,u=r*a;return this.set(c*o+i,c*a-s*l,c*l+s*a,0,c*a+s*l,u*a+i,u*l-s*o,0,c*l-s*a,u*l+s*o,r*l*l+i,0,0,0,0,1),this}makeScale(e,t,i){return this.set(e,0,0,0,0,t,0,0,0,0,i,0,0,0,0,1),this}makeShear(e,t,i,s,r,o){return this.set(1,i,r,0,e,1,o,0,t,s,1,0,0,0,0,1),this}compose(e,t,i){let s=this.elements,r=t._x,o=t._y,a=t._z,l=t._w,c=r+r,u=o+o,h=a+a,f=r*c,d=r*u,m=r*h,y=o*u,g=o*h,p=a*h,x=l*c,b=l*u,S=l*h,E=i.x,T=i.y,_=i.z;return s[0]=(1-(y+p))*E,s[1]=(d+S)*E,s[2]=(m-b)*E,s[3]=0,s[4]=(d-S)*T,s[5]=(1-(f+p))*T,s[6]=(g+x)*T,s[7]=0,s[8]=(m+b)*_,s[9]=(g-x)*_,s[10]=(1-(f+y))*_,s[11]=0,s[12]=e.x,s[13]=e.y,s[14]=e.z,s[15]=1,this}decompose(e,t,i){let s=this.elements;e.x=s[12],e.y=s[13],e.z=s[14];let r=this.determinantAffine();if(r===0)return i.set(1,1,1),t.identity(),this;let o=Wi.set(s[0],s[1],s[2]).length(),a=Wi.set(s[4],s[5],s[6]).length(),l=Wi.set(s[8],s[9],s[10]).length();r<0&&(o=-o),hn.copy(this);let c=1/o,u=1/a,h=1/l;return hn.elements[0]*=c,hn.elements[1]*=c,hn.elements[2]*=c,hn.elements[4]*=u,hn.elements[5]*=u,hn.elements[6]*=u,hn.elements[8]*=h,hn.elements[9]*=h,hn.elements[10]*=h,t.setFromRotationMatrix(hn),i.x=o,i.y=a,i.z=l,this}makePerspective(e,t,i,s,r,o,a=tn,l=!1){let c=this.elements,u=2*r/(t-e),h=2*r/(i-s),f=(t+e)/(t-e),d=(i+s)/(i-s),m,y;if(l)m=r/(o-r),y=o*r/(o-r);else if(a===tn)m=-(o+r)/(o-r),y=-2*o*r/(o-r);else if(a===Xs)m=-o/(o-r),y=-o*r/(o-r);else throw new Error("THREE.Matrix4.makePerspective(): Invalid coordinate system: "+a);return c[0]=u,c[4]=0,c[8]=f,c[12]=0,c[1]=0,c[5]=h,c[9]=d,c[13]=0,c[2]=0,c[6]=0,c[10]=m,c[14]=y,c[3]=0,c[7]=0,c[11]=-1,c[15]=0,this}makeOrthographic(e,t,i,s,r,o,a=tn,l=!1){let c=this.elements,u=2/(t-e),h=2/(i-s),f=-(t+e)/(t-e),d=-(i+s)/(i-s),m,y;if(l)m=1/(o-r),y=o/(o-r);else if(a===tn)m=-2/(o-r),y=-(o+r)/(o-r);else if(a===Xs)m=-1/(o-r),y=-r/(o-r);else throw new Error("THREE.Matrix4.makeOrthographic(): Invalid coordinate system: "+a);return c[0]=u,c[4]=0,c[8]=0,c[12]=f,c[1]=0,c[5]=h,c[9]=0,c[13]=d,c[2]=0,c[6]=0,c[10]=m,c[14]=y,c[3]=0,c[7]=0,c[11]=0,c[15]=1,this}equals(e){let t=this.elements,i=e.elements;for(let s=0;s<16;s++)if(t[s]!==i[s])return!1;return!0}fromArray(e,t=0){for(let i=0;i<16;i++)this.elements[i]=e[i+t];return this}toArray(e=[],t=0){let i=this.elements;return e[t]=i[0],e[t+1]=i[1],e[t+2]=i[2],e[t+3]=i[3],e[t+4]=i[4],e[t+5]=i[5],e[t+6]=i[6],e[t+7]=i[7],e[t+8]=i[8],e[t+9]=i[9],e[t+10]=i[10],e[t+11]=i[11],e[t+12]=i[12],e[t+13]=i[13],e[t+14]=i[14],e[t+15]=i[15],e}},Wi=new V,hn=new nt,zg=new V(0,0,0),Gg=new V(1,1,1),jn=new V,oo=new V,Vt=new V,zf=new nt,Gf=new bn,os=class n{constructor(e=0,t=0,i=0,s=n.DEFAULT_ORDER){this.isEuler=!0,this._x=e,this._y=t,this._z=i,this._order=s}get x(){return this._x}set x(e){this._x=e,this._onChangeCallback()}get y(){return this._y}set y(e){this._y=e,this._onChangeCallback()}get z(){return this._z}set z(e){this._z=e,this._onChangeCallback()}get order(){return this._order}set order(e){this._order=e,this._onChangeCallback()}set(e,t,i,s=this._order){return this._x=e,this._y=t,this._z=i,this._order=s,this._onChangeCallback(),this}clone(){return new this.constructor(this._x,this._y,this._z,this._order)}copy(e){return this._x=e._x,this._y=e._y,this._z=e._z,this._order=e._order,this._onChangeCallback(),this}setFromRotationMatrix(e,t=this._order,i=!0){let s=e.elements,r=s[0],o=s[4],a=s[8],l=s[1],c=s[5],u=s[9],h=s[2],f=s[6],d=s[10];switch(t){case"XYZ":this._y=Math.asin(He(a,-1,1)),Math.abs(a)<.9999999?(this._x=Math.atan2(-u,d),this._z=Math.atan2(-o,r)):(this._x=Math.atan2(f,c),this._z=0);break;case"YXZ":this._x=Math.asin(-He(u,-1,1)),Math.abs(u)<.9999999?(this._y=Math.atan2(a,d),this._z=Math.atan2(l,c)):(this._y=Math.atan2(-h,r),this._z=0);break;case"ZXY":this._x=Math.asin(He(f,-1,1)),Math.abs(f)<.9999999?(this._y=Math.atan2(-h,d),this._z=Math.atan2(-o,c)):(this._y=0,this._z=Math.atan2(l,r));break;case"ZYX":this._y=Math.asin(-He(h,-1,1)),Math.abs(h)<.9999999?(this._x=Math.atan2(f,d),this._z=Math.atan2(l,r)):(this._x=0,this._z=Math.atan2(-o,c));break;case"YZX":this._z=Math.asin(He(l,-1,1)),Math.abs(l)<.9999999?(this._x=Math.atan2(-u,c),this._y=Math.atan2(-h,r)):(this._x=0,this._y=Math.atan2(a,d));break;case"XZY":this._z=Math.asin(-He(o,-1,1)),Math.abs(o)<.9999999?(this._x=Math.atan2(f,c),this._y=Math.atan2(a,r)):(this._x=Math.atan2(-u,d),this._y=0);break;default:Ce("Euler: .setFromRotationMatrix() encountered an unknown order: "+t)}return this._order=t,i===!0&&this._onChangeCallback(),this}setFromQuaternion(e,t,i){return zf.makeRotationFromQuaternion(e),this.setFromRotationMatrix(zf,t,i)}setFromVector3(e,t=this._order){return this.set(e.x,e.y,e.z,t)}reorder(e){return Gf.setFromEuler(this),this.setFromQuaternion(Gf,e)}equals(e){return e._x===this._x&&e._y===this._y&&e._z===this._z&&e._order===this._order}fromArray(e){return this._x=e[0],this._y=e[1],this._z=e[2],e[3]!==void 0&&(this._order=e[3]),this._onChangeCallback(),this}toArray(e=[],t=0){return e[t]=this._x,e[t+1]=this._y,e[t+2]=this._z,e[t+3]=this._order,e}_onChange(e){return this._onChangeCallback=e,this}_onChangeCallback(){}*[Symbol.iterator](){yield this._x,yield this._y,yield this._z,yield this._order}};os.DEFAULT_ORDER="XYZ";var Ys=class{constructor(){this.mask=1}set(e){this.mask=(1<<e|0)>>>0}enable(e){this.mask|=1<<e|0}enableAll(){this.mask=-1}toggle(e){this.mask^=1<<e|0}disable(e){this.mask&=~(1<<e|0)}disableAll(){this.mask=0}test(e){return(this.mask&e.mask)!==0}isEnabled(e){return(this.mask&(1<<e|0))!==0}},Vg=0,Vf=new V,Xi=new bn,Dn=new nt,ao=new V,Os=new V,Hg=new V,Wg=new bn,Hf=new V(1,0,0),Wf=new V(0,1,0),Xf=new V(0,0,1),qf={type:"added"},Xg={type:"removed"},qi={type:"childadded",child:null},ac={type:"childremoved",child:null},sn=class n extends Sn{constructor(){super(),this.isObject3D=!0,Object.defineProperty(this,"id",{value:Vg++}),this.uuid=dr(),this.name="",this.type="Object3D",this.parent=null,this.children=[],this.up=n.DEFAULT_UP.clone();let e=new V,t=new os,i=new bn,s=new V(1,1,1);function r(){i.setFromEuler(t,!1)}function o(){t.setFromQuaternion(i,void 0,!1)}t._onChange(r),i._onChange(o),Object.defineProperties(this,{position:{configurable:!0,enumerable:!0,value:e},rotation:{configurable:!0,enumerable:!0,value:t},quaternion:{configurable:!0,enumerable:!0,value:i},scale:{configurable:!0,enumerable:!0,value:s},modelViewMatrix:{value:new nt},normalMatrix:{value:new Le}}),this.matrix=new nt,this.matrixWorld=new nt,this.matrixAutoUpdate=n.DEFAULT_MATRIX_AUTO_UPDATE,this.matrixWorldAutoUpdate=n.DEFAULT_MATRIX_WORLD_AUTO_UPDATE,this.matrixWorldNeedsUpdate=!1,this.layers=new Ys,this.visible=!0,this.castShadow=!1,this.receiveShadow=!1,this.frustumCulled=!0,this.renderOrder=0,this.animations=[],this.customDepthMaterial=void 0,this.customDistanceMaterial=void 0,this.static=!1,this.userData={},this.pivot=null}onBeforeShadow(){}onAfterShadow(){}onBeforeRender(){}onAfterRender(){}applyMatrix4(e){this.matrixAutoUpdate&&this.updateMatrix(),this.matrix.premultiply(e),this.matrix.decompose(this.position,this.quaternion,this.scale),this.pivot!==null&&this.position.copy(this.pivot).applyMatrix4(this.matrix).sub(this.pivot)}applyQuaternion(e){return this.quaternion.premultiply(e),this}setRotationFromAxisAngle(e,t){this.quaternion.setFromAxisAngle(e,t)}setRotationFromEuler(e){this.quaternion.setFromEuler(e,!0)}setRotationFromMatrix(e){this.quaternion.setFromRotationMatrix(e)}setRotationFromQuaternion(e){this.quaternion.copy(e)}rotateOnAxis(e,t){return Xi.setFromAxisAngle(e,t),this.quaternion.multiply(Xi),this}rotateOnWorldAxis(e,t){return Xi.setFromAxisAngle(e,t),this.quaternion.premultiply(Xi),this}rotateX(e){return this.rotateOnAxis(Hf,e)}rotateY(e){return this.rotateOnAxis(Wf,e)}rotateZ(e){return this.rotateOnAxis(Xf,e)}translateOnAxis(e,t){return Vf.copy(e).applyQuaternion(this.quaternion),this.position.add(Vf.multiplyScalar(t)),this}translateX(e){return this.translateOnAxis(Hf,e)}translateY(e){return this.translateOnAxis(Wf,e)}translateZ(e){return this.translateOnAxis(Xf,e)}localToWorld(e){return this.updateWorldMatrix(!0,!1),e.applyMatrix4(this.matrixWorld)}worldToLocal(e){return this.updateWorldMatrix(!0,!1),e.applyMatrix4(Dn.copy(this.matrixWorld).invert())}lookAt(e,t,i){e.isVector3?ao.copy(e):ao.set(e,t,i);let s=this.parent;this.updateWorldMatrix(!0,!1),Os.setFromMatrixPosition(this.matrixWorld),this.isCamera||this.isLight?Dn.lookAt(Os,ao,this.up):Dn.lookAt(ao,Os,this.up),this.quaternion.setFromRotationMatrix(Dn),s&&(Dn.extractRotation(s.matrixWorld),Xi.setFromRotationMatrix(Dn),this.quaternion.premultiply(Xi.invert()))}add(e){if(arguments.length>1){for(let t=0;t<arguments.length;t++)this.add(arguments[t]);return this}return e===this?(Ie("Object3D.add: object can't be added as a child of itself.",e),this):(e&&e.isObject3D?(e.removeFromParent(),e.parent=this,this.children.push(e),e.dispatchEvent(qf),qi.child=e,this.dispatchEvent(qi),qi.child=null):Ie("Object3D.add: object not an instance of THREE.Object3D.",e),this)}remove(e){if(arguments.length>1){for(let i=0;i<arguments.length;i++)this.remove(arguments[i]);return this}let t=this.children.indexOf(e);return t!==-1&&(e.parent=null,this.children.splice(t,1),e.dispatchEvent(Xg),ac.child=e,this.dispatchEvent(ac),ac.child=null),this}removeFromParent(){let e=this.parent;return e!==null&&e.remove(this),this}clear(){return this.remove(...this.children)}attach(e){return this.updateWorldMatrix(!0,!1),Dn.copy(this.matrixWorld).invert(),e.parent!==null&&(e.parent.updateWorldMatrix(!0,!1),Dn.multiply(e.parent.matrixWorld)),e.applyMatrix4(Dn),e.removeFromParent(),e.parent=this,this.children.push(e),e.updateWorldMatrix(!1,!0),e.dispatchEvent(qf),qi.child=e,this.dispatchEvent(qi),qi.child=null,this}getObjectById(e){return this.getObjectByProperty("id",e)}getObjectByName(e){return this.getObjectByProperty("name",e)}getObjectByProperty(e,t){if(this[e]===t)return this;for(let i=0,s=this.children.length;i<s;i++){let o=this.children[i].getObjectByProperty(e,t);if(o!==void 0)return o}}getObjectsByProperty(e,t,i=[]){this[e]===t&&i.push(this);let s=this.children;for(let r=0,o=s.length;r<o;r++)s[r].getObjectsByProperty(e,t,i);return i}getWorldPosition(e){return this.updateWorldMatrix(!0,!1),e.setFromMatrixPosition(this.matrixWorld)}getWorldQuaternion(e){return this.updateWorldMatrix(!0,!1),this.matrixWorld.decompose(Os,e,Hg),e}getWorldScale(e){return this.updateWorldMatrix(!0,!1),this.matrixWorld.decompose(Os,Wg,e),e}getWorldDirection(e){this.updateWorldMatrix(!0,!1);let t=this.matrixWorld.elements;return e.set(t[8],t[9],t[10]).normalize()}raycast(){}intersectsFrustum(){return!0}traverse(e){e(this);let t=this.children;for(let i=0,s=t.length;i<s;i++)t[i].traverse(e)}traverseVisible(e){if(this.visible===!1)return;e(this);let t=this.children;for(let i=0,s=t.length;i<s;i++)t[i].traverseVisible(e)}traverseAncestors(e){let t=this.parent;t!==null&&(e(t),t.traverseAncestors(e))}updateMatrix(){this.matrix.compose(this.position,this.quaternion,this.scale);let e=this.pivot;if(e!==null){let t=e.x,i=e.y,s=e.z,r=this.matrix.elements;r[12]+=t-r[0]*t-r[4]*i-r[8]*s,r[13]+=i-r[1]*t-r[5]*i-r[9]*s,r[14]+=s-r[2]*t-r[6]*i-r[10]*s}this.matrixWorldNeedsUpdate=!0}updateMatrixWorld(e){this.matrixAutoUpdate&&this.updateMatrix(),(this.matrixWorldNeedsUpdate||e)&&(this.matrixWorldAutoUpdate===!0&&(this.parent===null?this.matrixWorld.copy(this.matrix):this.matrixWorld.multiplyMatrices(this.parent.matrixWorld,this.matrix)),this.matrixWorldNeedsUpdate=!1,e=!0);let t=this.children;for(let i=0,s=t.length;i<s;i++)t[i].updateMatrixWorld(e)}updateWorldMatrix(e,t,i=!1){let s=this.parent;if(e===!0&&s!==null&&s.updateWorldMatrix(!0,!1),this.matrixAutoUpdate&&this.updateMatrix(),(this.matrixWorldNeedsUpdate||i)&&(this.matrixWorldAutoUpdate===!0&&(this.parent===null?this.matrixWorld.copy(this.matrix):this.matrixWorld.multiplyMatrices(this.parent.matrixWorld,this.matrix)),this.matrixWorldNeedsUpdate=!1,i=!0),t===!0){let r=this.children;for(let o=0,a=r.length;o<a;o++)r[o].updateWorldMatrix(!1,!0,i)}}toJSON(e){let t=e===void 0||typeof e=="string",i={};t&&(e={geometries:{},materials:{},textures:{},images:{},shapes:{},skeletons:{},animations:{},nodes:{}},i.metadata={version:4.7,type:"Object",generator:"Object3D.toJSON"});let s={};s.uuid=this.uuid,s.type=this.type,s.name=this.name,s.castShadow=this.castShadow,s.receiveShadow=this.receiveShadow,s.visible=this.visible,s.frustumCulled=this.frustumCulled,s.renderOrder=this.renderOrder,s.static=this.static,s.matrixAutoUpdate=this.matrixAutoUpdate,Object.keys(this.userData).length>0&&(s.userData=this.userData),s.layers=this.layers.mask,s.matrix=this.matrix.toArray(),s.up=this.up.toArray(),this.pivot!==null&&(s.pivot=this.pivot.toArray()),this.morphTargetDictionary!==void 0&&(s.morphTargetDictionary=Object.assign({},this.morphTargetDictionary)),this.morphTargetInfluences!==void 0&&(s.morphTargetInfluences=this.morphTargetInfluences.slice()),this.isInstancedMesh&&(s.type="InstancedMesh",s.count=this.count,s.instanceMatrix=this.instanceMatrix.toJSON(),this.instanceColor!==null&&(s.instanceColor=this.instanceColor.toJSON())),this.isBatchedMesh&&(s.type="BatchedMesh",s.perObjectFrustumCulled=this.perObjectFrustumCulled,s.sortObjects=this.sortObjects,s.drawRanges=this._drawRanges,s.reservedRanges=this._reservedRanges,s.geometryInfo=this._geometryInfo.map(a=>({...a,boundingBox:a.boundingBox?a.boundingBox.toJSON():void 0,boundingSphere:a.boundingSphere?a.boundingSphere.toJSON():void 0})),s.instanceInfo=this._instanceInfo.map(a=>({...a})),s.availableInstanceIds=this._availableInstanceIds.slice(),s.availableGeometryIds=this._availableGeometryIds.slice(),s.nextIndexStart=this._nextIndexStart,s.nextVertexStart=this._nextVertexStart,s.geometryCount=this._geometryCount,s.maxInstanceCount=this._maxInstanceCount,s.maxVertexCount=this._maxVertexCount,s.maxIndexCount=this._maxIndexCount,s.geometryInitialized=this._geometryInitialized,s.matricesTexture=this._matricesTexture.toJSON(e),s.indirectTexture=this._indirectTexture.toJSON(e),this._colorsTexture!==null&&(s.colorsTexture=this._colorsTexture.toJSON(e)),this.boundingSphere!==null&&(s.boundingSphere=this.boundingSphere.toJSON()),this.boundingBox!==null&&(s.boundingBox=this.boundingBox.toJSON()));function r(a,l){return a[l.uuid]===void 0&&(a[l.uuid]=l.toJSON(e)),l.uuid}if(this.isScene)this.background&&(this.background.isColor?s.background=this.background.toJSON():this.background.isTexture&&(s.background=this.background.toJSON(e).uuid)),this.environment&&this.environment.isTexture&&this.environment.isRenderTargetTexture!==!0&&(s.environment=this.environment.toJSON(e).uuid);else if(this.isMesh||this.isLine||this.isPoints){s.geometry=r(e.geometries,this.geometry);let a=this.geometry.parameters;if(a!==void 0&&a.shapes!==void 0){let l=a.shapes;if(Array.isArray(l))for(let c=0,u=l.length;c<u;c++){let h=l[c];r(e.shapes,h)}else r(e.shapes,l)}}if(this.isSkinnedMesh&&(s.bindMode=this.bindMode,s.bindMatrix=this.bindMatrix.toArray(),this.skeleton!==void 0&&(r(e.skeletons,this.skeleton),s.skeleton=this.skeleton.uuid)),this.material!==void 0)if(Array.isArray(this.material)){let a=[];for(let l=0,c=this.material.length;l<c;l++)a.push(r(e.materials,this.material[l]));s.material=a}else s.material=r(e.materials,this.material);if(this.children.length>0){s.children=[];for(let a=0;a<this.children.length;a++)s.children.push(this.children[a].toJSON(e).object)}if(this.animations.length>0){s.animations=[];for(let a=0;a<this.animations.length;a++){let l=this.animations[a];s.animations.push(r(e.animations,l))}}if(t){let a=o(e.geometries),l=o(e.materials),c=o(e.textures),u=o(e.images),h=o(e.shapes),f=o(e.skeletons),d=o(e.animations),m=o(e.nodes);a.length>0&&(i.geometries=a),l.length>0&&(i.materials=l),c.length>0&&(i.textures=c),u.length>0&&(i.images=u),h.length>0&&(i.shapes=h),f.length>0&&(i.skeletons=f),d.length>0&&(i.animations=d),m.length>0&&(i.nodes=m)}return i.object=s,i;function o(a){let l=[];for(let c in a){let u=a[c];delete u.metadata,l.push(u)}return l}}clone(e){return new this.constructor().copy(this,e)}copy(e,t=!0){if(this.name=e.name,this.up.copy(e.up),this.position.copy(e.position),this.rotation.order=e.rotation.order,this.quaternion.copy(e.quaternion),this.scale.copy(e.scale),this.pivot=e.pivot!==null?e.pivot.clone():null,this.matrix.copy(e.matrix),this.matrixWorld.copy(e.matrixWorld),this.matrixAutoUpdate=e.matrixAutoUpdate,this.matrixWorldAutoUpdate=e.matrixWorldAutoUpdate,this.matrixWorldNeedsUpdate=e.matrixWorldNeedsUpdate,this.layers.mask=e.layers.mask,this.visible=e.visible,this.castShadow=e.castShadow,this.receiveShadow=e.receiveShadow,this.frustumCulled=e.frustumCulled,this.renderOrder=e.renderOrder,this.static=e.static,this.animations=e.animations.slice(),this.userData=JSON.parse(JSON.stringify(e.userData)),t===!0)for(let i=0;i<e.children.length;i++){let s=e.children[i];this.add(s.clone())}return this}dispose(){this.dispatchEvent({type:"dispose"})}};sn.DEFAULT_UP=new V(0,1,0);sn.DEFAULT_MATRIX_AUTO_UPDATE=!0;sn.DEFAULT_MATRIX_WORLD_AUTO_UPDATE=!0;var Ei=class extends sn{constructor(){super(),this.isGroup=!0,this.type="Group"}},qg={type:"move"},as=class{constructor(){this._targetRay=null,this._grip=null,this._hand=null}getHandSpace(){return this._hand===null&&(this._hand=new Ei,this._hand.matrixAutoUpdate=!1,this._hand.visible=!1,this._hand.joints={},this._hand.inputState={pinching:!1}),this._hand}getTargetRaySpace(){return this._targetRay===null&&(this._targetRay=new Ei,this._targetRay.matrixAutoUpdate=!1,this._targetRay.visible=!1,this._targetRay.hasLinearVelocity=!1,this._targetRay.linearVelocity=new V,this._targetRay.hasAngularVelocity=!1,this._targetRay.angularVelocity=new V),this._targetRay}getGripSpace(){return this._grip===null&&(this._grip=new Ei,this._grip.matrixAutoUpdate=!1,this._grip.visible=!1,this._grip.hasLinearVelocity=!1,this._grip.linearVelocity=new V,this._grip.hasAngularVelocity=!1,this._grip.angularVelocity=new V,this._grip.eventsEnabled=!1),this._grip}dispatchEvent(e){return this._targetRay!==null&&this._targetRay.dispatchEvent(e),this._grip!==null&&this._grip.dispatchEvent(e),this._hand!==null&&this._hand.dispatchEvent(e),this}connect(e){if(e&&e.hand){let t=this._hand;if(t)for(let i of e.hand.values())this._getHandJoint(t,i)}return this.dispatchEvent({type:"connected",data:e}),this}disconnect(e){return this.dispatchEvent({type:"disconnected",data:e}),this._targetRay!==null&&(this._targetRay.visible=!1),this._grip!==null&&(this._grip.visible=!1),this._hand!==null&&(this._hand.visible=!1),this}update(e,t,i){let s=null,r=null,o=null,a=this._targetRay,l=this._grip,c=this._hand;if(e&&t.session.visibilityState!=="visible-blurred"){if(c&&e.hand){o=!0;for(let y of e.hand.values()){let g=t.getJointPose(y,i),p=this._getHandJoint(c,y);g!==null&&(p.matrix.fromArray(g.transform.matrix),p.matrix.decompose(p.position,p.quaternion,p.scale),p.matrixWorldNeedsUpdate=!0,p.jointRadius=g.radius),p.visible=g!==null}let u=c.joints["index-finger-tip"],h=c.joints["thumb-tip"],f=u.position.distanceTo(h.position),d=.02,m=.005;c.inputState.pinching&&f>d+m?(c.inputState.pinching=!1,this.dispatchEvent({type:"pinchend",handedness:e.handedness,target:this})):!c.inputState.pinching&&f<=d-m&&(c.inputState.pinching=!0,this.dispatchEvent({type:"pinchstart",handedness:e.handedness,target:this}))}else l!==null&&e.gripSpace&&(r=t.getPose(e.gripSpace,i),r!==null&&(l.matrix.fromArray(r.transform.matrix),l.matrix.decompose(l.position,l.quaternion,l.scale),l.matrixWorldNeedsUpdate=!0,r.linearVelocity?(l.hasLinearVelocity=!0,l.linearVelocity.copy(r.linearVelocity)):l.hasLinearVelocity=!1,r.angularVelocity?(l.hasAngularVelocity=!0,l.angularVelocity.copy(r.angularVelocity)):l.hasAngularVelocity=!1,l.eventsEnabled&&l.dispatchEvent({type:"gripUpdated",data:e,target:this})));a!==null&&(s=t.getPose(e.targetRaySpace,i),s===null&&r!==null&&(s=r),s!==null&&(a.matrix.fromArray(s.transform.matrix),a.matrix.decompose(a.position,a.quaternion,a.scale),a.matrixWorldNeedsUpdate=!0,s.linearVelocity?(a.hasLinearVelocity=!0,a.linearVelocity.copy(s.linearVelocity)):a.hasLinearVelocity=!1,s.angularVelocity?(a.hasAngularVelocity=!0,a.angularVelocity.copy(s.angularVelocity)):a.hasAngularVelocity=!1,this.dispatchEvent(qg)))}return a!==null&&(a.visible=s!==null),l!==null&&(l.visible=r!==null),c!==null&&(c.visible=o!==null),this}_getHandJoint(e,t){if(e.joints[t.jointName]===void 0){let i=new Ei;i.matrixAutoUpdate=!1,i.visible=!1,e.joints[t.jointName]=i,e.add(i)}return e.joints[t.jointName]}},Gd={aliceblue:15792383,antiquewhite:16444375,aqua:65535,aquamarine:8388564,azure:15794175,beige:16119260,bisque:16770244,black:0,blanchedalmond:16772045,blue:255,blueviolet:9055202,brown:10824234,burlywood:14596231,cadetblue:6266528,chartreuse:8388352,chocolate:13789470,coral:16744272,cornflowerblue:6591981,cornsilk:16775388,crimson:14423100,cyan:65535,darkblue:139,darkcyan:35723,darkgoldenrod:12092939,darkgray:11119017,darkgreen:25600,darkgrey:11119017,darkkhaki:12433259,darkmagenta:9109643,darkolivegreen:5597999,darkorange:16747520,darkorchid:10040012,darkred:9109504,darksalmon:15308410,darkseagreen:9419919,darkslateblue:4734347,darkslategray:3100495,darkslategrey:3100495,darkturquoise:52945,darkviolet:9699539,deeppink:16716947,deepskyblue:49151,dimgray:6908265,dimgrey:6908265,dodgerblue:2003199,firebrick:11674146,floralwhite:16775920,forestgreen:2263842,fuchsia:16711935,gainsboro:14474460,ghostwhite:16316671,gold:16766720,goldenrod:14329120,gray:8421504,green:32768,greenyellow:11403055,grey:8421504,honeydew:15794160,hotpink:16738740,indianred:13458524,indigo:4915330,ivory:16777200,khaki:15787660,lavender:15132410,lavenderblush:16773365,lawngreen:8190976,lemonchiffon:16775885,lightblue:11393254,lightcoral:15761536,lightcyan:14745599,lightgoldenrodyellow:16448210,lightgray:13882323,lightgreen:9498256,lightgrey:13882323,lightpink:16758465,lightsalmon:16752762,lightseagreen:2142890,lightskyblue:8900346,lightslategray:7833753,lightslategrey:7833753,lightsteelblue:11584734,lightyellow:16777184,lime:65280,limegreen:3329330,linen:16445670,magenta:16711935,maroon:8388608,mediumaquamarine:6737322,mediumblue:205,mediumorchid:12211667,mediumpurple:9662683,mediumseagreen:3978097,mediumslateblue:8087790,mediumspringgreen:64154,mediumturquoise:4772300,mediumvioletred:13047173,midnightblue:1644912,mintcream:16121850,mistyrose:16770273,moccasin:16770229,navajowhite:16768685,navy:128,oldlace:16643558,olive:8421376,olivedrab:7048739,orange:16753920,orangered:16729344,orchid:14315734,palegoldenrod:15657130,palegreen:10025880,paleturquoise:11529966,palevioletred:14381203,papayawhip:16773077,peachpuff:16767673,peru:13468991,pink:16761035,plum:14524637,powderblue:11591910,purple:8388736,rebeccapurple:6697881,red:16711680,rosybrown:12357519,royalblue:4286945,saddlebrown:9127187,salmon:16416882,sandybrown:16032864,seagreen:3050327,seashell:16774638,sienna:10506797,silver:12632256,skyblue:8900331,slateblue:6970061,slategray:7372944,slategrey:7372944,snow:16775930,springgreen:65407,steelblue:4620980,tan:13808780,teal:32896,thistle:14204888,tomato:16737095,turquoise:4251856,violet:15631086,wheat:16113331,white:16777215,whitesmoke:16119285,yellow:16776960,yellowgreen:10145074},Qn={h:0,s:0,l:0},lo={h:0,s:0,l:0};function lc(n,e,t){return t<0&&(t+=1),t>1&&(t-=1),t<1/6?n+(e-n)*6*t:t<1/2?e:t<2/3?n+(e-n)*6*(2/3-t):n}var We=class{constructor(e,t,i){return this.isColor=!0,this.r=1,this.g=1,this.b=1,this.set(e,t,i)}set(e,t,i){if(t===void 0&&i===void 0){let s=e;s&&s.isColor?this.copy(s):typeof s=="number"?this.setHex(s):typeof s=="string"&&this.setStyle(s)}else this.setRGB(e,t,i);return this}setScalar(e){return this.r=e,this.g=e,this.b=e,this}setHex(e,t=Wt){return e=Math.floor(e),this.r=(e>>16&255)/255,this.g=(e>>8&255)/255,this.b=(e&255)/255,Ve.colorSpaceToWorking(this,t),this}setRGB(e,t,i,s=Ve.workingColorSpace){return this.r=e,this.g=t,this.b=i,Ve.colorSpaceToWorking(this,s),this}setHSL(e,t,i,s=Ve.workingColorSpace){if(e=Dg(e,1),t=He(t,0,1),i=He(i,0,1),t===0)this.r=this.g=this.b=i;else{let r=i<=.5?i*(1+t):i+t-i*t,o=2*i-r;this.r=lc(o,r,e+1/3),this.g=lc(o,r,e),this.b=lc(o,r,e-1/3)}return Ve.colorSpaceToWorking(this,s),this}setStyle(e,t=Wt){function i(r){r!==void 0&&parseFloat(r)<1&&Ce("Color: Alpha component of "+e+" will be ignored.")}let s;if(s=/^(\w+)\(([^\)]*)\)/.exec(e)){let r,o=s[1],a=s[2];switch(o){case"rgb":case"rgba":if(r=/^\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(?:,\s*(\d+(?:\.\d+)?|\.\d+)\s*)?$/.exec(a))return i(r[4]),this.setRGB(Math.min(255,parseInt(r[1],10))/255,Math.min(255,parseInt(r[2],10))/255,Math.min(255,parseInt(r[3],10))/255,t);if(r=/^\s*(\d+(?:\.\d+)?|\.\d+)\%\s*,\s*(\d+(?:\.\d+)?|\.\d+)\%\s*,\s*(\d+(?:\.\d+)?|\.\d+)\%\s*(?:,\s*(\d+(?:\.\d+)?|\.\d+)\s*)?$/.exec(a))return i(r[4]),this.setRGB(Math.min(100,parseFloat(r[1]))/100,Math.min(100,parseFloat(r[2]))/100,Math.min(100,parseFloat(r[3]))/100,t);break;case"hsl":case"hsla":if(r=/^\s*([+-]?(?:\d+(?:\.\d+)?|\.\d+))\s*,\s*(\d+(?:\.\d+)?|\.\d+)\%\s*,\s*(\d+(?:\.\d+)?|\.\d+)\%\s*(?:,\s*(\d+(?:\.\d+)?|\.\d+)\s*)?$/.exec(a))return i(r[4]),this.setHSL(parseFloat(r[1])/360,parseFloat(r[2])/100,parseFloat(r[3])/100,t);break;default:Ce("Color: Unknown color model "+e)}}else if(s=/^\#([A-Fa-f\d]+)$/.exec(e)){let r=s[1],o=r.length;if(o===3)return this.setRGB(parseInt(r.charAt(0),16)/15,parseInt(r.charAt(1),16)/15,parseInt(r.charAt(2),16)/15,t);if(o===6)return this.setHex(parseInt(r,16),t);Ce("Color: Invalid hex color "+e)}else if(e&&e.length>0)return this.setColorName(e,t);return this}setColorName(e,t=Wt){let i=Gd[e.toLowerCase()];return i!==void 0?this.setHex(i,t):Ce("Color: Unknown color "+e),this}clone(){return new this.constructor(this.r,this.g,this.b)}copy(e){return this.r=e.r,this.g=e.g,this.b=e.b,this}copySRGBToLinear(e){return this.r=kn(e.r),this.g=kn(e.g),this.b=kn(e.b),this}copyLinearToSRGB(e){return this.r=ns(e.r),this.g=ns(e.g),this.b=ns(e.b),this}convertSRGBToLinear(){return this.copySRGBToLinear(this),this}convertLinearToSRGB(){return this.copyLinearToSRGB(this),this}getHex(e=Wt){return Ve.workingToColorSpace(Rt.copy(this),e),Math.round(He(Rt.r*255,0,255))*65536+Math.round(He(Rt.g*255,0,255))*256+Math.round(He(Rt.b*255,0,255))}getHexString(e=Wt){return("000000"+this.getHex(e).toString(16)).slice(-6)}getHSL(e,t=Ve.workingColorSpace){Ve.workingToColorSpace(Rt.copy(this),t);let i=Rt.r,s=Rt.g,r=Rt.b,o=Math.max(i,s,r),a=Math.min(i,s,r),l,c,u=(a+o)/2;if(a===o)l=0,c=0;else{let h=o-a;switch(c=u<=.5?h/(o+a):h/(2-o-a),o){case i:l=(s-r)/h+(s<r?6:0);break;case s:l=(r-i)/h+2;break;case r:l=(i-s)/h+4;break}l/=6}return e.h=l,e.s=c,e.l=u,e}getRGB(e,t=Ve.workingColorSpace){return Ve.workingToColorSpace(Rt.copy(this),t),e.r=Rt.r,e.g=Rt.g,e.b=Rt.b,e}getStyle(e=Wt){Ve.workingToColorSpace(Rt.copy(this),e);let t=Rt.r,i=Rt.g,s=Rt.b;return e!==Wt?`color(${e} ${t.toFixed(3)} ${i.toFixed(3)} ${s.toFixed(3)})`:`rgb(${Math.round(t*255)},${Math.round(i*255)},${Math.round(s*255)})`}offsetHSL(e,t,i){return this.getHSL(Qn),this.setHSL(Qn.h+e,Qn.s+t,Qn.l+i)}add(e){return this.r+=e.r,this.g+=e.g,this.b+=e.b,this}addColors(e,t){return this.r=e.r+t.r,this.g=e.g+t.g,this.b=e.b+t.b,this}addScalar(e){return this.r+=e,this.g+=e,this.b+=e,this}sub(e){return this.r=Math.max(0,this.r-e.r),this.g=Math.max(0,this.g-e.g),this.b=Math.max(0,this.b-e.b),this}multiply(e){return this.r*=e.r,this.g*=e.g,this.b*=e.b,this}multiplyScalar(e){return this.r*=e,this.g*=e,this.b*=e,this}lerp(e,t){return this.r+=(e.r-this.r)*t,this.g+=(e.g-this.g)*t,this.b+=(e.b-this.b)*t,this}lerpColors(e,t,i){return this.r=e.r+(t.r-e.r)*i,this.g=e.g+(t.g-e.g)*i,this.b=e.b+(t.b-e.b)*i,this}lerpHSL(e,t){this.getHSL(Qn),e.getHSL(lo);let i=nc(Qn.h,lo.h,t),s=nc(Qn.s,lo.s,t),r=nc(Qn.l,lo.l,t);return this.setHSL(i,s,r),this}setFromVector3(e){return this.r=e.x,this.g=e.y,this.b=e.z,this}applyMatrix3(e){let t=this.r,i=this.g,s=this.b,r=e.elements;return this.r=r[0]*t+r[3]*i+r[6]*s,this.g=r[1]*t+r[4]*i+r[7]*s,this.b=r[2]*t+r[5]*i+r[8]*s,this}equals(e){return e.r===this.r&&e.g===this.g&&e.b===this.b}fromArray(e,t=0){return this.r=e[t],this.g=e[t+1],this.b=e[t+2],this}toArray(e=[],t=0){return e[t]=this.r,e[t+1]=this.g,e[t+2]=this.b,e}fromBufferAttribute(e,t){return this.r=e.getX(t),this.g=e.getY(t),this.b=e.getZ(t),this}toJSON(){return this.getHex()}*[Symbol.iterator](){yield this.r,yield this.g,yield this.b}},Rt=new We;We.NAMES=Gd;var fn=new V,Un=new V,cc=new V,Fn=new V,$i=new V,Yi=new V,$f=new V,uc=new V,hc=new V,fc=new V,dc=new at,pc=new at,mc=new at,ii=class n{constructor(e=new V,t=new V,i=new V){this.a=e,this.b=t,this.c=i}static getNormal(e,t,i,s){s.subVectors(i,t),fn.subVectors(e,t),s.cross(fn);let r=s.lengthSq();return r>0?s.multiplyScalar(1/Math.sqrt(r)):s.set(0,0,0)}static getBarycoord(e,t,i,s,r){fn.subVectors(s,t),Un.subVectors(i,t),cc.subVectors(e,t);let o=fn.dot(fn),a=fn.dot(Un),l=fn.dot(cc),c=Un.dot(Un),u=Un.dot(cc),h=o*c-a*a;if(h===0)return r.set(0,0,0),null;let f=1/h,d=(c*l-a*u)*f,m=(o*u-a*l)*f;return r.set(1-d-m,m,d)}static containsPoint(e,t,i,s){return this.getBarycoord(e,t,i,s,Fn)===null?!1:Fn.x>=0&&Fn.y>=0&&Fn.x+Fn.y<=1}static getInterpolation(e,t,i,s,r,o,a,l){return this.getBarycoord(e,t,i,s,Fn)===null?(l.x=0,l.y=0,"z"in l&&(l.z=0),"w"in l&&(l.w=0),null):(l.setScalar(0),l.addScaledVector(r,Fn.x),l.addScaledVector(o,Fn.y),l.addScaledVector(a,Fn.z),l)}static getInterpolatedAttribute(e,t,i,s,r,o){return dc.setScalar(0),pc.setScalar(0),mc.setScalar(0),dc.fromBufferAttribute(e,t),pc.fromBufferAttribute(e,i),mc.fromBufferAttribute(e,s),o.setScalar(0),o.addScaledVector(dc,r.x),o.addScaledVector(pc,r.y),o.addScaledVector(mc,r.z),o}static isFrontFacing(e,t,i,s){return fn.subVectors(i,t),Un.subVectors(e,t),fn.cross(Un).dot(s)<0}set(e,t,i){return this.a.copy(e),this.b.copy(t),this.c.copy(i),this}setFromPointsAndIndices(e,t,i,s){return this.a.copy(e[t]),this.b.copy(e[i]),this.c.copy(e[s]),this}setFromAttributeAndIndices(e,t,i,s){return this.a.fromBufferAttribute(e,t),this.b.fromBufferAttribute(e,i),this.c.fromBufferAttribute(e,s),this}clone(){return new this.constructor().copy(this)}copy(e){return this.a.copy(e.a),this.b.copy(e.b),this.c.copy(e.c),this}getArea(){return fn.subVectors(this.c,this.b),Un.subVectors(this.a,this.b),fn.cross(Un).length()*.5}getMidpoint(e){return e.addVectors(this.a,this.b).add(this.c).multiplyScalar(1/3)}getNormal(e){return n.getNormal(this.a,this.b,this.c,e)}getPlane(e){return e.setFromCoplanarPoints(this.a,this.b,this.c)}getBarycoord(e,t){return n.getBarycoord(e,this.a,this.b,this.c,t)}getInterpolation(e,t,i,s,r){return n.getInterpolation(e,this.a,this.b,this.c,t,i,s,r)}containsPoint(e){return n.containsPoint(e,this.a,this.b,this.c)}isFrontFacing(e){return n.isFrontFacing(this.a,this.b,this.c,e)}intersectsBox(e){return e.intersectsTriangle(this)}closestPointToPoint(e,t){let i=this.a,s=this.b,r=this.c,o,a;$i.subVectors(s,i),Yi.subVectors(r,i),uc.subVectors(e,i);let l=$i.dot(uc),c=Yi.dot(uc);if(l<=0&&c<=0)return t.copy(i);hc.subVectors(e,s);let u=$i.dot(hc),h=Yi.dot(hc);if(u>=0&&h<=u)return t.copy(s);let f=l*h-u*c;if(f<=0&&l>=0&&u<=0&&l-u>0)return o=l/(l-u),t.copy(i).addScaledVector($i,o);fc.subVectors(e,r);let d=$i.dot(fc),m=Yi.dot(fc);if(m>=0&&d<=m)return t.copy(r);let y=d*c-l*m;if(y<=0&&c>=0&&m<=0)return a=c/(c-m),t.copy(i).addScaledVector(Yi,a);let g=u*m-d*h;if(g<=0&&h-u>=0&&d-m>=0)return $f.subVectors(r,s),a=(h-u)/(h-u+(d-m)),t.copy(s).addScaledVector($f,a);let p=1/(g+y+f);return o=y*p,a=f*p,t.copy(i).addScaledVector($i,o).addScaledVector(Yi,a)}equals(e){return e.a.equals(this.a)&&e.b.equals(this.b)&&e.c.equals(this.c)}},si=class{constructor(e=new V(1/0,1/0,1/0),t=new V(-1/0,-1/0,-1/0)){this.isBox3=!0,this.min=e,this.max=t}set(e,t){return this.min.copy(e),this.max.copy(t),this}setFromArray(e){this.makeEmpty();for(let t=0,i=e.length;t<i;t+=3)this.expandByPoint(dn.fromArray(e,t));return this}setFromBufferAttribute(e){this.makeEmpty();for(let t=0,i=e.count;t<i;t++)this.expandByPoint(dn.fromBufferAttribute(e,t));return this}setFromPoints(e){this.makeEmpty();for(let t=0,i=e.length;t<i;t++)this.expandByPoint(e[t]);return this}setFromCenterAndSize(e,t){let i=dn.copy(t).multiplyScalar(.5);return this.min.copy(e).sub(i),this.max.copy(e).add(i),this}setFromObject(e,t=!1){return this.makeEmpty(),this.expandByObject(e,t)}clone(){return new this.constructor().copy(this)}copy(e){return this.min.copy(e.min),this.max.copy(e.max),this}makeEmpty(){return this.min.x=this.min.y=this.min.z=1/0,this.max.x=this.max.y=this.max.z=-1/0,this}isEmpty(){return this.max.x<this.min.x||this.max.y<this.min.y||this.max.z<this.min.z}getCenter(e){return this.isEmpty()?e.set(0,0,0):e.addVectors(this.min,this.max).multiplyScalar(.5)}getSize(e){return this.isEmpty()?e.set(0,0,0):e.subVectors(this.max,this.min)}expandByPoint(e){return this.min.min(e),this.max.max(e),this}expandByVector(e){return this.min.sub(e),this.max.add(e),this}expandByScalar(e){return this.min.addScalar(-e),this.max.addScalar(e),this}expandByObject(e,t=!1){e.updateWorldMatrix(!1,!1);let i=e.geometry;if(i!==void 0){let r=i.getAttribute("position");if(t===!0&&r!==void 0&&e.isInstancedMesh!==!0&&e.isBatchedMesh!==!0)for(let o=0,a=r.count;o<a;o++)e.isMesh===!0?e.getVertexPosition(o,dn):dn.fromBufferAttribute(r,o),dn.applyMatrix4(e.matrixWorld),this.expandByPoint(dn);else e.boundingBox!==void 0?(e.boundingBox===null&&e.computeBoundingBox(),co.copy(e.boundingBox)):(i.boundingBox===null&&i.computeBoundingBox(),co.copy(i.boundingBox)),co.applyMatrix4(e.matrixWorld),this.union(co)}let s=e.children;for(let r=0,o=s.length;r<o;r++)this.expandByObject(s[r],t);return this}containsPoint(e){return e.x>=this.min.x&&e.x<=this.max.x&&e.y>=this.min.y&&e.y<=this.max.y&&e.z>=this.min.z&&e.z<=this.max.z}containsBox(e){return this.min.x<=e.min.x&&e.max.x<=this.max.x&&this.min.y<=e.min.y&&e.max.y<=this.max.y&&this.min.z<=e.min.z&&e.max.z<=this.max.z}getParameter(e,t){return t.set((e.x-this.min.x)/(this.max.x-this.min.x),(e.y-this.min.y)/(this.max.y-this.min.y),(e.z-this.min.z)/(this.max.z-this.min.z))}intersectsBox(e){return e.max.x>=this.min.x&&e.min.x<=this.max.x&&e.max.y>=this.min.y&&e.min.y<=this.max.y&&e.max.z>=this.min.z&&e.min.z<=this.max.z}intersectsSphere(e){return this.clampPoint(e.center,dn),dn.distanceToSquared(e.center)<=e.radius*e.radius}intersectsPlane(e){let t,i;return e.normal.x>0?(t=e.normal.x*this.min.x,i=e.normal.x*this.max.x):(t=e.normal.x*this.max.x,i=e.normal.x*this.min.x),e.normal.y>0?(t+=e.normal.y*this.min.y,i+=e.normal.y*this.max.y):(t+=e.normal.y*this.max.y,i+=e.normal.y*this.min.y),e.normal.z>0?(t+=e.normal.z*this.min.z,i+=e.normal.z*this.max.z):(t+=e.normal.z*this.max.z,i+=e.normal.z*this.min.z),t<=-e.constant&&i>=-e.constant}intersectsTriangle(e){if(this.isEmpty())return!1;this.getCenter(Bs),uo.subVectors(this.max,Bs),Zi.subVectors(e.a,Bs),Ji.subVectors(e.b,Bs),Ki.subVectors(e.c,Bs),ei.subVectors(Ji,Zi),ti.subVectors(Ki,Ji),Si.subVectors(Zi,Ki);let t=[0,-ei.z,ei.y,0,-ti.z,ti.y,0,-Si.z,Si.y,ei.z,0,-ei.x,ti.z,0,-ti.x,Si.z,0,-Si.x,-ei.y,ei.x,0,-ti.y,ti.x,0,-Si.y,Si.x,0];return!gc(t,Zi,Ji,Ki,uo)||(t=[1,0,0,0,1,0,0,0,1],!gc(t,Zi,Ji,Ki,uo))?!1:(ho.crossVectors(ei,ti),t=[ho.x,ho.y,ho.z],gc(t,Zi,Ji,Ki,uo))}clampPoint(e,t){return t.copy(e).clamp(this.min,this.max)}distanceToPoint(e){return this.clampPoint(e,dn).distanceTo(e)}getBoundingSphere(e){return this.isEmpty()?e.makeEmpty():(this.getCenter(e.center),e.radius=this.getSize(dn).length()*.5),e}intersect(e){return this.min.max(e.min),this.max.min(e.max),this.isEmpty()&&this.makeEmpty(),this}union(e){return this.min.min(e.min),this.max.max(e.max),this}applyMatrix4(e){return this.isEmpty()?this:(On[0].set(this.min.x,this.min.y,this.min.z).applyMatrix4(e),On[1].set(this.min.x,this.min.y,this.max.z).applyMatrix4(e),On[2].set(this.min.x,this.max.y,this.min.z).applyMatrix4(e),On[3].set(this.min.x,this.max.y,this.max.z).applyMatrix4(e),On[4].set(this.max.x,this.min.y,this.min.z).applyMatrix4(e),On[5].set(this.max.x,this.min.y,this.max.z).applyMatrix4(e),On[6].set(this.max.x,this.max.y,this.min.z).applyMatrix4(e),On[7].set(this.max.x,this.max.y,this.max.z).applyMatrix4(e),this.setFromPoints(On),this)}translate(e){return this.min.add(e),this.max.add(e),this}equals(e){return e.min.equals(this.min)&&e.max.equals(this.max)}toJSON(){return{min:this.min.toArray(),max:this.max.toArray()}}fromJSON(e){return this.min.fromArray(e.min),this.max.fromArray(e.max),this}},On=[new V,new V,new V,new V,new V,new V,new V,new V],dn=new V,co=new si,Zi=new V,Ji=new V,Ki=new V,ei=new V,ti=new V,Si=new V,Bs=new V,uo=new V,ho=new V,bi=new V;function gc(n,e,t,i,s){for(let r=0,o=n.length-3;r<=o;r+=3){bi.fromArray(n,r);let a=s.x*Math.abs(bi.x)+s.y*Math.abs(bi.y)+s.z*Math.abs(bi.z),l=e.dot(bi),c=t.dot(bi),u=i.dot(bi);if(Math.max(-Math.max(l,c,u),Math.min(l,c,u))>a)return!1}return!0}var ht=new V,fo=new qe,$g=0,Ct=class extends Sn{constructor(e,t,i=!1){if(super(),Array.isArray(e))throw new TypeError("THREE.BufferAttribute: array should be a Typed Array.");this.isBufferAttribute=!0,Object.defineProperty(this,"id",{value:$g++}),this.name="",this.array=e,this.itemSize=t,this.count=e!==void 0?e.length/t:0,this.normalized=i,this.usage=Ud,this.updateRanges=[],this.gpuType=Yt,this.version=0,this._normalizationScale=e!==void 0?tu(e):void 0}onUploadCallback(){}set needsUpdate(e){e===!0&&this.version++}setUsage(e){return this.usage=e,this}addUpdateRange(e,t){this.updateRanges.push({start:e,count:t})}clearUpdateRanges(){this.updateRanges.length=0}copy(e){return this.name=e.name,this.array=new e.array.constructor(e.array),this.itemSize=e.itemSize,this.count=e.count,this.normalized=e.normalized,this.usage=e.usage,this.gpuType=e.gpuType,this._normalizationScale=e._normalizationScale,this}copyAt(e,t,i){e*=this.itemSize,i*=t.itemSize;for(let s=0,r=this.itemSize;s<r;s++)this.array[e+s]=t.array[i+s];return this}copyArray(e){return this.array.set(e),this}applyMatrix3(e){if(this.itemSize===2)for(let t=0,i=this.count;t<i;t++)fo.fromBufferAttribute(this,t),fo.applyMatrix3(e),this.setXY(t,fo.x,fo.y);else if(this.itemSize===3)for(let t=0,i=this.count;t<i;t++)ht.fromBufferAttribute(this,t),ht.applyMatrix3(e),this.setXYZ(t,ht.x,ht.y,ht.z);return this}applyMatrix4(e){for(let t=0,i=this.count;t<i;t++)ht.fromBufferAttribute(this,t),ht.applyMatrix4(e),this.setXYZ(t,ht.x,ht.y,ht.z);return this}applyNormalMatrix(e){for(let t=0,i=this.count;t<i;t++)ht.fromBufferAttribute(this,t),ht.applyNormalMatrix(e),this.setXYZ(t,ht.x,ht.y,ht.z);return this}transformDirection(e){for(let t=0,i=this.count;t<i;t++)ht.fromBufferAttribute(this,t),ht.transformDirection(e),this.setXYZ(t,ht.x,ht.y,ht.z);return this}set(e,t=0){return this.array.set(e,t),this}getComponent(e,t){let i=this.array[e*this.itemSize+t];return this.normalized&&(i=this._denormalize(i)),i}setComponent(e,t,i){return this.normalized&&(i=this._normalize(i)),this.array[e*this.itemSize+t]=i,this}getX(e){let t=this.array[e*this.itemSize];return this.normalized&&(t=this._denormalize(t)),t}setX(e,t){return this.normalized&&(t=this._normalize(t)),this.array[e*this.itemSize]=t,this}getY(e){let t=this.array[e*this.itemSize+1];return this.normalized&&(t=this._denormalize(t)),t}setY(e,t){return this.normalized&&(t=this._normalize(t)),this.array[e*this.itemSize+1]=t,this}getZ(e){let t=this.array[e*this.itemSize+2];return this.normalized&&(t=this._denormalize(t)),t}setZ(e,t){return this.normalized&&(t=this._normalize(t)),this.array[e*this.itemSize+2]=t,this}getW(e){let t=this.array[e*this.itemSize+3];return this.normalized&&(t=this._denormalize(t)),t}setW(e,t){return this.normalized&&(t=this._normalize(t)),this.array[e*this.itemSize+3]=t,this}setXY(e,t,i){return e*=this.itemSize,this.normalized&&(t=this._normalize(t),i=this._normalize(i)),this.array[e+0]=t,this.array[e+1]=i,this}setXYZ(e,t,i,s){return e*=this.itemSize,this.normalized&&(t=this._normalize(t),i=this._normalize(i),s=this._normalize(s)),this.array[e+0]=t,this.array[e+1]=i,this.array[e+2]=s,this}setXYZW(e,t,i,s,r){return e*=this.itemSize,this.normalized&&(t=this._normalize(t),i=this._normalize(i),s=this._normalize(s),r=this._normalize(r)),this.array[e+0]=t,this.array[e+1]=i,this.array[e+2]=s,this.array[e+3]=r,this}onUpload(e){return this.onUploadCallback=e,this}clone(){return new this.constructor(this.array,this.itemSize).copy(this)}toJSON(){let e={itemSize:this.itemSize,type:this.array.constructor.name,array:Array.from(this.array),normalized:this.normalized};return e.name=this.name,e.usage=this.usage,e.gpuType=this.gpuType,e}dispose(){this.dispatchEvent({type:"dispose"})}_denormalize(e){let t=this._normalizationScale;return t!==void 0?Math.max(e/t,-1):Ug(e,this.array)}_normalize(e){let t=this._normalizationScale;return t!==void 0?Math.round(e*t):Fg(e,this.array)}};var Zs=class extends Ct{constructor(e,t,i){super(new Uint16Array(e),t,i)}};var Js=class extends Ct{constructor(e,t,i){super(new Uint32Array(e),t,i)}};var nn=class extends Ct{constructor(e,t,i){super(new Float32Array(e),t,i)}},Yg=new si,ks=new V,_c=new V,Ti=class{constructor(e=new V,t=-1){this.isSphere=!0,this.center=e,this.radius=t}set(e,t){return this.center.copy(e),this.radius=t,this}setFromPoints(e,t){let i=this.center;t!==void 0?i.copy(t):Yg.setFromPoints(e).getCenter(i);let s=0;for(let r=0,o=e.length;r<o;r++)s=Math.max(s,i.distanceToSquared(e[r]));return this.radius=Math.sqrt(s),this}copy(e){return this.center.copy(e.center),this.radius=e.radius,this}isEmpty(){return this.radius<0}makeEmpty(){return this.center.set(0,0,0),this.radius=-1,this}containsPoint(e){return e.distanceToSquared(this.center)<=this.radius*this.radius}distanceToPoint(e){return e.distanceTo(this.center)-this.radius}intersectsSphere(e){let t=this.radius+e.radius;return e.center.distanceToSquared(this.center)<=t*t}intersectsBox(e){return e.intersectsSphere(this)}intersectsPlane(e){return Math.abs(e.distanceToPoint(this.center))<=this.radius}clampPoint(e,t){let i=this.center.distanceToSquared(e);return t.copy(e),i>this.radius*this.radius&&(t.sub(this.center).normalize(),t.multiplyScalar(this.radius).add(this.center)),t}getBoundingBox(e){return this.isEmpty()?(e.makeEmpty(),e):(e.set(this.center,this.center),e.expandByScalar(this.radius),e)}applyMatrix4(e){return this.center.applyMatrix4(e),this.radius=this.radius*e.getMaxScaleOnAxis(),this}translate(e){return this.center.add(e),this}expandByPoint(e){if(this.isEmpty())return this.center.copy(e),this.radius=0,this;ks.subVectors(e,this.center);let t=ks.lengthSq();if(t>this.radius*this.radius){let i=Math.sqrt(t),s=(i-this.radius)*.5;this.center.addScaledVector(ks,s/i),this.radius+=s}return this}union(e){return e.isEmpty()?this:this.isEmpty()?(this.copy(e),this):(this.center.equals(e.center)===!0?this.radius=Math.max(this.radius,e.radius):(_c.subVectors(e.center,this.center).setLength(e.radius),this.expandByPoint(ks.copy(e.center).add(_c)),this.expandByPoint(ks.copy(e.center).sub(_c))),this)}equals(e){return e.center.equals(this.center)&&e.radius===this.radius}clone(){return new this.constructor().copy(this)}toJSON(){return{radius:this.radius,center:this.center.toArray()}}fromJSON(e){return this.radius=e.radius,this.center.fromArray(e.center),this}},Zg=0,en=new nt,yc=new sn,ji=new V,Ht=new si,zs=new si,vt=new V,kt=class n extends Sn{constructor(){super(),this.isBufferGeometry=!0,Object.defineProperty(this,"id",{value:Zg++}),this.uuid=dr(),this.name="",this.type="BufferGeometry",this.index=null,this.indirect=null,this.indirectOffset=0,this.attributes={},this.morphAttributes={},this.morphTargetsRelative=!1,this.groups=[],this.boundingBox=null,this.boundingSphere=null,this.drawRange={start:0,count:1/0},this.userData={},this._transformed=!1}getIndex(){return this.index}setIndex(e){return Array.isArray(e)?this.index=new(Lg(e)?Js:Zs)(e,1):this.index=e,this}setIndirect(e,t=0){return this.indirect=e,this.indirectOffset=t,this}getIndirect(){return this.indirect}getAttribute(e){return this.attributes[e]}setAttribute(e,t){return this.attributes[e]=t,this}deleteAttribute(e){return delete this.attributes[e],this}hasAttribute(e){return this.attributes[e]!==void 0}addGroup(e,t,i=0){this.groups.push({start:e,count:t,materialIndex:i})}clearGroups(){this.groups=[]}setDrawRange(e,t){this.drawRange.start=e,this.drawRange.count=t}applyMatrix4(e){let t=this.attributes.position;t!==void 0&&(t.applyMatrix4(e),t.needsUpdate=!0);let i=this.attributes.normal;if(i!==void 0){let r=new Le().getNormalMatrix(e);i.applyNormalMatrix(r),i.needsUpdate=!0}let s=this.attributes.tangent;return s!==void 0&&(s.transformDirection(e),s.needsUpdate=!0),this.boundingBox!==null&&this.computeBoundingBox(),this.boundingSphere!==null&&this.computeBoundingSphere(),this._transformed=!0,this}applyQuaternion(e){return en.makeRotationFromQuaternion(e),this.applyMatrix4(en),this}rotateX(e){return en.makeRotationX(e),this.applyMatrix4(en),this}rotateY(e){return en.makeRotationY(e),this.applyMatrix4(en),this}rotateZ(e){return en.makeRotationZ(e),this.applyMatrix4(en),this}translate(e,t,i){return en.makeTranslation(e,t,i),this.applyMatrix4(en),this}scale(e,t,i){return en.makeScale(e,t,i),this.applyMatrix4(en),this}lookAt(e){return yc.lookAt(e),yc.updateMatrix(),this.applyMatrix4(yc.matrix),this}center(){return this.computeBoundingBox(),this.boundingBox.getCenter(ji).negate(),this.translate(ji.x,ji.y,ji.z),this}setFromPoints(e){let t=this.getAttribute("position");if(t===void 0){let i=[];for(let s=0,r=e.length;s<r;s++){let o=e[s];i.push(o.x,o.y,o.z||0)}this.setAttribute("position",new nn(i,3))}else{let i=Math.min(e.length,t.count);for(let s=0;s<i;s++){let r=e[s];t.setXYZ(s,r.x,r.y,r.z||0)}e.length>t.count&&Ce("BufferGeometry: Buffer size too small for points data. Use .dispose() and create a new geometry."),t.needsUpdate=!0}return this}computeBoundingBox(){this.boundingBox===null&&(this.boundingBox=new si);let e=this.attributes.position,t=this.morphAttributes.position;if(e&&e.isGLBufferAttribute){Ie("BufferGeometry.computeBoundingBox(): GLBufferAttribute requires a manual bounding box.",this),this.boundingBox.set(new V(-1/0,-1/0,-1/0),new V(1/0,1/0,1/0));return}if(e!==void 0){if(this.boundingBox.setFromBufferAttribute(e),t)for(let i=0,s=t.length;i<s;i++){let r=t[i];Ht.setFromBufferAttribute(r),this.morphTargetsRelative?(vt.addVectors(this.boundingBox.min,Ht.min),this.boundingBox.expandByPoint(vt),vt.addVectors(this.boundingBox.max,Ht.max),this.boundingBox.expandByPoint(vt)):(this.boundingBox.expandByPoint(Ht.min),this.boundingBox.expandByPoint(Ht.max))}}else this.boundingBox.makeEmpty();(isNaN(this.boundingBox.min.x)||isNaN(this.boundingBox.min.y)||isNaN(this.boundingBox.min.z))&&Ie('BufferGeometry.computeBoundingBox(): Computed min/max have NaN values. The "position" attribute is likely to have NaN values.',this)}computeBoundingSphere(){this.boundingSphere===null&&(this.boundingSphere=new Ti);let e=this.attributes.position,t=this.morphAttributes.position;if(e&&e.isGLBufferAttribute){Ie("BufferGeometry.computeBoundingSphere(): GLBufferAttribute requires a manual bounding sphere.",this),this.boundingSphere.set(new V,1/0);return}if(e){let i=this.boundingSphere.center;if(Ht.setFromBufferAttribute(e),t)for(let r=0,o=t.length;r<o;r++){let a=t[r];zs.setFromBufferAttribute(a),this.morphTargetsRelative?(vt.addVectors(Ht.min,zs.min),Ht.expandByPoint(vt),vt.addVectors(Ht.max,zs.max),Ht.expandByPoint(vt)):(Ht.expandByPoint(zs.min),Ht.expandByPoint(zs.max))}Ht.getCenter(i);let s=0;for(let r=0,o=e.count;r<o;r++)vt.fromBufferAttribute(e,r),s=Math.max(s,i.distanceToSquared(vt));if(t)for(let r=0,o=t.length;r<o;r++){let a=t[r],l=this.morphTargetsRelative;for(let c=0,u=a.count;c<u;c++)vt.fromBufferAttribute(a,c),l&&(ji.fromBufferAttribute(e,c),vt.add(ji)),s=Math.max(s,i.distanceToSquared(vt))}this.boundingSphere.radius=Math.sqrt(s),isNaN(this.boundingSphere.radius)&&Ie('BufferGeometry.computeBoundingSphere(): Computed radius is NaN. The "position" attribute is likely to have NaN values.',this)}}computeTangents(){let e=this.index,t=this.attributes;if(e===null||t.position===void 0||t.normal===void 0||t.uv===void 0){Ie("BufferGeometry: .computeTangents() failed. Missing required attributes (index, position, normal or uv)");return}let i=t.position,s=t.normal,r=t.uv,o=this.getAttribute("tangent");(o===void 0||o.count!==i.count)&&(o=new Ct(new Float32Array(4*i.count),4),this.setAttribute("tangent",o));let a=[],l=[],c=new Uint8Array(i.count);for(let D=0;D<i.count;D++)a[D]=new V,l[D]=new V;let u=new V,h=new V,f=new V,d=new qe,m=new qe,y=new qe,g=new V,p=new V;function x(D,P,N){c[D]=c[P]=c[N]=1,u.fromBufferAttribute(i,D),h.fromBufferAttribute(i,P),f.fromBufferAttribute(i,N),d.fromBufferAttribute(r,D),m.fromBufferAttribute(r,P),y.fromBufferAttribute(r,N),h.sub(u),f.sub(u),m.sub(d),y.sub(d);let k=1/(m.x*y.y-y.x*m.y);isFinite(k)&&(g.copy(h).multiplyScalar(y.y).addScaledVector(f,-m.y).multiplyScalar(k),p.copy(f).multiplyScalar(m.x).addScaledVector(h,-y.x).multiplyScalar(k),a[D].add(g),a[P].add(g),a[N].add(g),l[D].add(p),l[P].add(p),l[N].add(p))}let b=this.groups;b.length===0&&(b=[{start:0,count:e.count}]);for(let D=0,P=b.length;D<P;++D){let N=b[D],k=N.start,W=N.count;for(let C=k,G=k+W;C<G;C+=3)x(e.getX(C+0),e.getX(C+1),e.getX(C+2))}let S=new V,E=new V,T=new V,_=new V;function w(D){T.fromBufferAttribute(s,D),_.copy(T);let P=a[D];S.copy(P),S.sub(T.multiplyScalar(T.dot(P))).normalize(),E.crossVectors(_,P);let k=E.dot(l[D])<0?-1:1;o.setXYZW(D,S.x,S.y,S.z,k)}for(let D=0,P=i.count;D<P;++D)c[D]&&w(D);this._transformed=!0}computeVertexNormals(){let e=this.index,t=this.getAttribute("position");if(t!==void 0){let i=this.getAttribute("normal");if(i===void 0||i.count!==t.count)i=new Ct(new Float32Array(t.count*3),3),this.setAttribute("normal",i);else for(let f=0,d=i.count;f<d;f++)i.setXYZ(f,0,0,0);let s=new V,r=new V,o=new V,a=new V,l=new V,c=new V,u=new V,h=new V;if(e)for(let f=0,d=e.count;f<d;f+=3){let m=e.getX(f+0),y=e.getX(f+1),g=e.getX(f+2);s.fromBufferAttribute(t,m),r.fromBufferAttribute(t,y),o.fromBufferAttribute(t,g),u.subVectors(o,r),h.subVectors(s,r),u.cross(h),a.fromBufferAttribute(i,m),l.fromBufferAttribute(i,y),c.fromBufferAttribute(i,g),a.add(u),l.add(u),c.add(u),i.setXYZ(m,a.x,a.y,a.z),i.setXYZ(y,l.x,l.y,l.z),i.setXYZ(g,c.x,c.y,c.z)}else for(let f=0,d=t.count;f<d;f+=3)s.fromBufferAttribute(t,f+0),r.fromBufferAttribute(t,f+1),o.fromBufferAttribute(t,f+2),u.subVectors(o,r),h.subVectors(s,r),u.cross(h),i.setXYZ(f+0,u.x,u.y,u.z),i.setXYZ(f+1,u.x,u.y,u.z),i.setXYZ(f+2,u.x,u.y,u.z);this.normalizeNormals(),i.needsUpdate=!0}}normalizeNormals(){let e=this.attributes.normal;for(let t=0,i=e.count;t<i;t++)vt.fromBufferAttribute(e,t),vt.normalize(),e.setXYZ(t,vt.x,vt.y,vt.z)}toNonIndexed(){function e(a,l){let c=a.array,u=a.itemSize,h=a.normalized,f=new c.constructor(l.length*u),d=0,m=0;for(let y=0,g=l.length;y<g;y++){a.isInterleavedBufferAttribute?d=l[y]*a.data.stride+a.offset:d=l[y]*u;for(let p=0;p<u;p++)f[m++]=c[d++]}return new Ct(f,u,h)}if(this.index===null)return Ce("BufferGeometry.toNonIndexed(): BufferGeometry is already non-indexed."),this;let t=new n,i=this.index.array,s=this.attributes;for(let a in s){let l=s[a],c=e(l,i);t.setAttribute(a,c)}let r=this.morphAttributes;for(let a in r){let l=[],c=r[a];for(let u=0,h=c.length;u<h;u++){let f=c[u],d=e(f,i);l.push(d)}t.morphAttributes[a]=l}t.morphTargetsRelative=this.morphTargetsRelative;let o=this.groups;for(let a=0,l=o.length;a<l;a++){let c=o[a];t.addGroup(c.start,c.count,c.materialIndex)}return t}toJSON(){let e={metadata:{version:4.7,type:"BufferGeometry",generator:"BufferGeometry.toJSON"}};if(e.uuid=this.uuid,e.type=this.parameters!==void 0&&this._transformed===!0?"BufferGeometry":this.type,e.name=this.name,Object.keys(this.userData).length>0&&(e.userData=this.userData),this.parameters!==void 0&&this._transformed!==!0){let l=this.parameters;for(let c in l)l[c]!==void 0&&(e[c]=l[c]);return e}e.data={attributes:{}};let t=this.index;t!==null&&(e.data.index={type:t.array.constructor.name,array:Array.prototype.slice.call(t.array)});let i=this.attributes;for(let l in i){let c=i[l];e.data.attributes[l]=c.toJSON(e.data)}let s={},r=!1;for(let l in this.morphAttributes){let c=this.morphAttributes[l],u=[];for(let h=0,f=c.length;h<f;h++){let d=c[h];u.push(d.toJSON(e.data))}u.length>0&&(s[l]=u,r=!0)}r&&(e.data.morphAttributes=s,e.data.morphTargetsRelative=this.morphTargetsRelative);let o=this.groups;o.length>0&&(e.data.groups=JSON.parse(JSON.stringify(o)));let a=this.boundingSphere;return a!==null&&(e.data.boundingSphere=a.toJSON()),e}clone(){return new this.constructor().copy(this)}copy(e){this.index=null,this.attributes={},this.morphAttributes={},this.groups=[],this.boundingBox=null,this.boundingSphere=null;let t={};this.name=e.name;let i=e.index;i!==null&&this.setIndex(i.clone());let s=e.attributes;for(let c in s){let u=s[c];this.setAttribute(c,u.clone(t))}let r=e.morphAttributes;for(let c in r){let u=[],h=r[c];for(let f=0,d=h.length;f<d;f++)u.push(h[f].clone(t));this.morphAttributes[c]=u}this.morphTargetsRelative=e.morphTargetsRelative;let o=e.groups;for(let c=0,u=o.length;c<u;c++){let h=o[c];this.addGroup(h.start,h.count,h.materialIndex)}let a=e.boundingBox;a!==null&&(this.boundingBox=a.clone());let l=e.boundingSphere;return l!==null&&(this.boundingSphere=l.clone()),this.drawRange.start=e.drawRange.start,this.drawRange.count=e.drawRange.count,this.userData=e.userData,this._transformed=e._transformed,this}dispose(){this.dispatchEvent({type:"dispose"})}};var xc=new V,Jg=new V,Kg=new Le,pn=class{constructor(e=new V(1,0,0),t=0){this.isPlane=!0,this.normal=e,this.constant=t}set(e,t){return this.normal.copy(e),this.constant=t,this}setComponents(e,t,i,s){return this.normal.set(e,t,i),this.constant=s,this}setFromNormalAndCoplanarPoint(e,t){return this.normal.copy(e),this.constant=-t.dot(this.normal),this}setFromCoplanarPoints(e,t,i){let s=xc.subVectors(i,t).cross(Jg.subVectors(e,t)).normalize();return this.setFromNormalAndCoplanarPoint(s,e),this}copy(e){return this.normal.copy(e.normal),this.constant=e.constant,this}normalize(){let e=1/this.normal.length();return this.normal.multiplyScalar(e),this.constant*=e,this}negate(){return this.constant*=-1,this.normal.negate(),this}distanceToPoint(e){return this.normal.dot(e)+this.constant}distanceToSphere(e){return this.distanceToPoint(e.center)-e.radius}projectPoint(e,t){return t.copy(e).addScaledVector(this.normal,-this.distanceToPoint(e))}intersectLine(e,t,i=!0){let s=e.delta(xc),r=this.normal.dot(s);if(r===0)return this.distanceToPoint(e.start)===0?t.copy(e.start):null;let o=-(e.start.dot(this.normal)+this.constant)/r;return i===!0&&(o<0||o>1)?null:t.copy(e.start).addScaledVector(s,o)}intersectsLine(e){let t=this.distanceToPoint(e.start),i=this.distanceToPoint(e.end);return t<0&&i>0||i<0&&t>0}intersectsBox(e){return e.intersectsPlane(this)}intersectsSphere(e){return e.intersectsPlane(this)}coplanarPoint(e){return e.copy(this.normal).multiplyScalar(-this.constant)}applyMatrix4(e,t){let i=t||Kg.getNormalMatrix(e),s=this.coplanarPoint(xc).applyMatrix4(e),r=this.normal.applyMatrix3(i).normalize();return this.constant=-s.dot(r),this}translate(e){return this.constant-=e.dot(this.normal),this}equals(e){return e.normal.equals(this.normal)&&e.constant===this.constant}clone(){return new this.constructor().copy(this)}toJSON(){return{normal:this.normal.toArray(),constant:this.constant}}fromJSON(e){return this.normal.fromArray(e.normal),this.constant=e.constant,this}},jg=0,ri=class extends Sn{constructor(){super(),this.isMaterial=!0,Object.defineProperty(this,"id",{value:jg++}),this.uuid=dr(),this.name="",this.type="Material",this.blending=ps,this.side=ci,this.vertexColors=!1,this.opacity=1,this.transparent=!1,this.alphaHash=!1,this.blendSrc=Nc,this.blendDst=sr,this.blendEquation=Vn,this.blendSrcAlpha=null,this.blendDstAlpha=null,this.blendEquationAlpha=null,this.blendColor=new We(0,0,0),this.blendAlpha=0,this.depthFunc=is,this.depthTest=!0,this.depthWrite=!0,this.stencilWriteMask=255,this.stencilFunc=Cd,this.stencilRef=0,this.stencilFuncMask=255,this.stencilFail=Io,this.stencilZFail=Io,this.stencilZPass=Io,this.stencilWrite=!1,this.clippingPlanes=null,this.clipIntersection=!1,this.clipShadows=!1,this.shadowSide=null,this.colorWrite=!0,this.precision=null,this.polygonOffset=!1,this.polygonOffsetFactor=0,this.polygonOffsetUnits=0,this.dithering=!1,this.alphaToCoverage=!1,this.premultipliedAlpha=!1,this.forceSinglePass=!1,this.allowOverride=!0,this.visible=!0,this.toneMapped=!0,this.userData={},this.version=0,this._alphaTest=0}get alphaTest(){return this._alphaTest}set alphaTest(e){this._alphaTest>0!=e>0&&this.version++,this._alphaTest=e}onBeforeRender(){}onBeforeCompile(){}customProgramCacheKey(){return this.onBeforeCompile.toString()}setValues(e){if(e!==void 0)for(let t in e){let i=e[t];if(i===void 0){Ce(`Material: parameter '${t}' has value of undefined.`);continue}let s=this[t];if(s===void 0){Ce(`Material: '${t}' is not a property of THREE.${this.type}.`);continue}s&&s.isColor?s.set(i):s&&s.isVector2&&i&&i.isVector2||s&&s.isEuler&&i&&i.isEuler||s&&s.isVector3&&i&&i.isVector3?s.copy(i):this[t]=i}}toJSON(e){let t=e===void 0||typeof e=="string";t&&(e={textures:{},images:{}});let i={metadata:{version:4.7,type:"Material",generator:"Material.toJSON"}};i.uuid=this.uuid,i.type=this.type,i.blending=this.blending,i.side=this.side,i.shadowSide=this.shadowSide,i.vertexColors=this.vertexColors,i.opacity=this.opacity,i.transparent=this.transparent,i.blendSrc=this.blendSrc,i.blendDst=this.blendDst,i.blendEquation=this.blendEquation,i.blendSrcAlpha=this.blendSrcAlpha,i.blendDstAlpha=this.blendDstAlpha,i.blendEquationAlpha=this.blendEquationAlpha,i.blendColor=this.blendColor.getHex(),i.blendAlpha=this.blendAlpha,i.depthFunc=this.depthFunc,i.depthTest=this.depthTest,i.depthWrite=this.depthWrite,i.colorWrite=this.colorWrite,i.clipIntersection=this.clipIntersection,i.clipShadows=this.clipShadows,i.stencilWriteMask=this.stencilWriteMask,i.stencilFunc=this.stencilFunc,i.stencilRef=this.stencilRef,i.stencilFuncMask=this.stencilFuncMask,i.stencilFail=this.stencilFail,i.stencilZFail=this.stencilZFail,i.stencilZPass=this.stencilZPass,i.stencilWrite=this.stencilWrite,i.polygonOffset=this.polygonOffset,i.polygonOffsetFactor=this.polygonOffsetFactor,i.polygonOffsetUnits=this.polygonOffsetUnits,i.dithering=this.dithering,i.alphaTest=this.alphaTest,i.alphaHash=this.alphaHash,i.alphaToCoverage=this.alphaToCoverage,i.premultipliedAlpha=this.premultipliedAlpha,i.forceSinglePass=this.forceSinglePass,i.allowOverride=this.allowOverride,i.visible=this.visible,i.toneMapped=this.toneMapped,i.name=this.name,this.color&&this.color.isColor&&(i.color=this.color.getHex()),this.roughness!==void 0&&(i.roughness=this.roughness),this.metalness!==void 0&&(i.metalness=this.metalness),this.sheen!==void 0&&(i.sheen=this.sheen),this.sheenColor&&this.sheenColor.isColor&&(i.sheenColor=this.sheenColor.getHex()),this.sheenRoughness!==void 0&&(i.sheenRoughness=this.sheenRoughness),this.emissive&&this.emissive.isColor&&(i.emissive=this.emissive.getHex()),this.emissiveIntensity!==void 0&&(i.emissiveIntensity=this.emissiveIntensity),this.specular&&this.specular.isColor&&(i.specular=this.specular.getHex()),this.specularIntensity!==void 0&&(i.specularIntensity=this.specularIntensity),this.specularColor&&this.specularColor.isColor&&(i.specularColor=this.specularColor.getHex()),this.shininess!==void 0&&(i.shininess=this.shininess),this.clearcoat!==void 0&&(i.clearcoat=this.clearcoat),this.clearcoatRoughness!==void 0&&(i.clearcoatRoughness=this.clearcoatRoughness),this.diffuseRoughness!==void 0&&(i.diffuseRoughness=this.diffuseRoughness),this.diffuseRoughnessMap&&this.diffuseRoughnessMap.isTexture&&(i.diffuseRoughnessMap=this.diffuseRoughnessMap.toJSON(e).uuid),this.clearcoatMap&&this.clearcoatMap.isTexture&&(i.clearcoatMap=this.clearcoatMap.toJSON(e).uuid),this.clearcoatRoughnessMap&&this.clearcoatRoughnessMap.isTexture&&(i.clearcoatRoughnessMap=this.clearcoatRoughnessMap.toJSON(e).uuid),this.clearcoatNormalMap&&this.clearcoatNormalMap.isTexture&&(i.clearcoatNormalMap=this.clearcoatNormalMap.toJSON(e).uuid,i.clearcoatNormalScale=this.clearcoatNormalScale.toArray()),this.sheenColorMap&&this.sheenColorMap.isTexture&&(i.sheenColorMap=this.sheenColorMap.toJSON(e).uuid),this.sheenRoughnessMap&&this.sheenRoughnessMap.isTexture&&(i.sheenRoughnessMap=this.sheenRoughnessMap.toJSON(e).uuid),this.dispersion!==void 0&&(i.dispersion=this.dispersion),this.retroreflectivity!==void 0&&(i.retroreflectivity=this.retroreflectivity),this.iridescence!==void 0&&(i.iridescence=this.iridescence),this.iridescenceIOR!==void 0&&(i.iridescenceIOR=this.iridescenceIOR),this.iridescenceThicknessMinimum!==void 0&&(i.iridescenceThicknessMinimum=this.iridescenceThicknessMinimum),this.iridescenceThicknessMaximum!==void 0&&(i.iridescenceThicknessMaximum=this.iridescenceThicknessMaximum),this.iridescenceMap&&this.iridescenceMap.isTexture&&(i.iridescenceMap=this.iridescenceMap.toJSON(e).uuid),this.iridescenceThicknessMap&&this.iridescenceThicknessMap.isTexture&&(i.iridescenceThicknessMap=this.iridescenceThicknessMap.toJSON(e).uuid),this.anisotropy!==void 0&&(i.anisotropy=this.anisotropy),this.anisotropyRotation!==void 0&&(i.anisotropyRotation=this.anisotropyRotation),this.anisotropyMap&&this.anisotropyMap.isTexture&&(i.anisotropyMap=this.anisotropyMap.toJSON(e).uuid),this.map&&this.map.isTexture&&(i.map=this.map.toJSON(e).uuid),this.matcap&&this.matcap.isTexture&&(i.matcap=this.matcap.toJSON(e).uuid),this.alphaMap&&this.alphaMap.isTexture&&(i.alphaMap=this.alphaMap.toJSON(e).uuid),this.lightMap&&this.lightMap.isTexture&&(i.lightMap=this.lightMap.toJSON(e).uuid,i.lightMapIntensity=this.lightMapIntensity),this.aoMap&&this.aoMap.isTexture&&(i.aoMap=this.aoMap.toJSON(e).uuid,i.aoMapIntensity=this.aoMapIntensity),this.bumpMap&&this.bumpMap.isTexture&&(i.bumpMap=this.bumpMap.toJSON(e).uuid,i.bumpScale=this.bumpScale),this.normalMap&&this.normalMap.isTexture&&(i.normalMap=this.normalMap.toJSON(e).uuid,i.normalMapType=this.normalMapType,i.normalScale=this.normalScale.toArray()),this.displacementMap&&this.displacementMap.isTexture&&(i.displacementMap=this.displacementMap.toJSON(e).uuid,i.displacementScale=this.displacementScale,i.displacementBias=this.displacementBias),this.roughnessMap&&this.roughnessMap.isTexture&&(i.roughnessMap=this.roughnessMap.toJSON(e).uuid),this.metalnessMap&&this.metalnessMap.isTexture&&(i.metalnessMap=this.metalnessMap.toJSON(e).uuid),this.emissiveMap&&this.emissiveMap.isTexture&&(i.emissiveMap=this.emissiveMap.toJSON(e).uuid),this.specularMap&&this.specularMap.isTexture&&(i.specularMap=this.specularMap.toJSON(e).uuid),this.specularIntensityMap&&this.specularIntensityMap.isTexture&&(i.specularIntensityMap=this.specularIntensityMap.toJSON(e).uuid),this.specularColorMap&&this.specularColorMap.isTexture&&(i.specularColorMap=this.specularColorMap.toJSON(e).uuid),this.envMap&&this.envMap.isTexture&&(i.envMap=this.envMap.toJSON(e).uuid,this.combine!==void 0&&(i.combine=this.combine)),this.envMapRotation!==void 0&&(i.envMapRotation=this.envMapRotation.toArray()),this.envMapIntensity!==void 0&&(i.envMapIntensity=this.envMapIntensity),this.reflectivity!==void 0&&(i.reflectivity=this.reflectivity),this.refractionRatio!==void 0&&(i.refractionRatio=this.refractionRatio),this.gradientMap&&this.gradientMap.isTexture&&(i.gradientMap=this.gradientMap.toJSON(e).uuid),this.transmission!==void 0&&(i.transmission=this.transmission),this.transmissionMap&&this.transmissionMap.isTexture&&(i.transmissionMap=this.transmissionMap.toJSON(e).uuid),this.thickness!==void 0&&(i.thickness=this.thickness),this.thicknessMap&&this.thicknessMap.isTexture&&(i.thicknessMap=this.thicknessMap.toJSON(e).uuid),this.attenuationDistance!==void 0&&(i.attenuationDistance=this.attenuationDistance),this.attenuationColor!==void 0&&(i.attenuationColor=this.attenuationColor.getHex()),this.size!==void 0&&(i.size=this.size),this.sizeAttenuation!==void 0&&(i.sizeAttenuation=this.sizeAttenuation),Array.isArray(this.clippingPlanes)&&this.clippingPlanes.length>0&&(i.clippingPlanes=this.clippingPlanes.map(r=>r.toJSON())),this.rotation!==void 0&&(i.rotation=this.rotation),this.depthPacking!==void 0&&(i.depthPacking=this.depthPacking),this.linewidth!==void 0&&(i.linewidth=this.linewidth),this.linecap!==void 0&&(i.linecap=this.linecap),this.linejoin!==void 0&&(i.linejoin=this.linejoin),this.dashSize!==void 0&&(i.dashSize=this.dashSize),this.gapSize!==void 0&&(i.gapSize=this.gapSize),this.scale!==void 0&&(i.scale=this.scale),this.wireframe!==void 0&&(i.wireframe=this.wireframe),this.wireframeLinewidth!==void 0&&(i.wireframeLinewidth=this.wireframeLinewidth),this.wireframeLinecap!==void 0&&(i.wireframeLinecap=this.wireframeLinecap),this.wireframeLinejoin!==void 0&&(i.wireframeLinejoin=this.wireframeLinejoin),this.flatShading!==void 0&&(i.flatShading=this.flatShading),this.fog!==void 0&&(i.fog=this.fog),Object.keys(this.userData).length>0&&(i.userData=this.userData);function s(r){let o=[];for(let a in r){let l=r[a];delete l.metadata,o.push(l)}return o}if(t){let r=s(e.textures),o=s(e.images);r.length>0&&(i.textures=r),o.length>0&&(i.images=o)}return i}fromJSON(e,t){if(e.uuid!==void 0&&(this.uuid=e.uuid),e.name!==void 0&&(this.name=e.name),e.color!==void 0&&this.color!==void 0&&this.color.setHex(e.color),e.roughness!==void 0&&(this.roughness=e.roughness),e.metalness!==void 0&&(this.metalness=e.metalness),e.sheen!==void 0&&(this.sheen=e.sheen),e.sheenColor!==void 0&&(this.sheenColor=new We().setHex(e.sheenColor)),e.sheenRoughness!==void 0&&(this.sheenRoughness=e.sheenRoughness),e.emissive!==void 0&&this.emissive!==void 0&&this.emissive.setHex(e.emissive),e.specular!==void 0&&this.specular!==void 0&&this.specular.setHex(e.specular),e.specularIntensity!==void 0&&(this.specularIntensity=e.specularIntensity),e.specularColor!==void 0&&this.specularColor!==void 0&&this.specularColor.setHex(e.specularColor),e.shininess!==void 0&&(this.shininess=e.shininess),e.clearcoat!==void 0&&(this.clearcoat=e.clearcoat),e.clearcoatRoughness!==void 0&&(this.clearcoatRoughness=e.clearcoatRoughness),e.diffuseRoughness!==void 0&&(this.diffuseRoughness=e.diffuseRoughness),e.dispersion!==void 0&&(this.dispersion=e.dispersion),e.retroreflectivity!==void 0&&(this.retroreflectivity=e.retroreflectivity),e.iridescence!==void 0&&(this.iridescence=e.iridescence),e.iridescenceIOR!==void 0&&(this.iridescenceIOR=e.iridescenceIOR),e.iridescenceThicknessMinimum!==void 0&&(this.iridescenceThicknessMinimum=e.iridescenceThicknessMinimum),e.iridescenceThicknessMaximum!==void 0&&(this.iridescenceThicknessMaximum=e.iridescenceThicknessMaximum),e.iridescenceThicknessRange!==void 0&&(this.iridescenceThicknessMinimum=e.iridescenceThicknessRange[0],this.iridescenceThicknessMaximum=e.iridescenceThicknessRange[1]),e.transmission!==void 0&&(this.transmission=e.transmission),e.thickness!==void 0&&(this.thickness=e.thickness),e.attenuationDistance!==void 0&&(this.attenuationDistance=e.attenuationDistance),e.attenuationColor!==void 0&&this.attenuationColor!==void 0&&this.attenuationColor.setHex(e.attenuationColor),e.anisotropy!==void 0&&(this.anisotropy=e.anisotropy),e.anisotropyRotation!==void 0&&(this.anisotropyRotation=e.anisotropyRotation),e.fog!==void 0&&(this.fog=e.fog),e.flatShading!==void 0&&(this.flatShading=e.flatShading),e.blending!==void 0&&(this.blending=e.blending),e.combine!==void 0&&(this.combine=e.combine),e.side!==void 0&&(this.side=e.side),e.shadowSide!==void 0&&(this.shadowSide=e.shadowSide),e.opacity!==void 0&&(this.opacity=e.opacity),e.transparent!==void 0&&(this.transparent=e.transparent),e.alphaTest!==void 0&&(this.alphaTest=e.alphaTest),e.alphaHash!==void 0&&(this.alphaHash=e.alphaHash),e.depthFunc!==void 0&&(this.depthFunc=e.depthFunc),e.depthTest!==void 0&&(this.depthTest=e.depthTest),e.depthWrite!==void 0&&(this.depthWrite=e.depthWrite),e.colorWrite!==void 0&&(this.colorWrite=e.colorWrite),e.clippingPlanes!==void 0&&(this.clippingPlanes=e.clippingPlanes.map(i=>new pn().fromJSON(i))),e.clipIntersection!==void 0&&(this.clipIntersection=e.clipIntersection),e.clipShadows!==void 0&&(this.clipShadows=e.clipShadows),e.depthPacking!==void 0&&(this.depthPacking=e.depthPacking),e.blendSrc!==void 0&&(this.blendSrc=e.blendSrc),e.blendDst!==void 0&&(this.blendDst=e.blendDst),e.blendEquation!==void 0&&(this.blendEquation=e.blendEquation),e.blendSrcAlpha!==void 0&&(this.blendSrcAlpha=e.blendSrcAlpha),e.blendDstAlpha!==void 0&&(this.blendDstAlpha=e.blendDstAlpha),e.blendEquationAlpha!==void 0&&(this.blendEquationAlpha=e.blendEquationAlpha),e.blendColor!==void 0&&this.blendColor!==void 0&&this.blendColor.setHex(e.blendColor),e.blendAlpha!==void 0&&(this.blendAlpha=e.blendAlpha),e.stencilWriteMask!==void 0&&(this.stencilWriteMask=e.stencilWriteMask),e.stencilFunc!==void 0&&(this.stencilFunc=e.stencilFunc),e.stencilRef!==void 0&&(this.stencilRef=e.stencilRef),e.stencilFuncMask!==void 0&&(this.stencilFuncMask=e.stencilFuncMask),e.stencilFail!==void 0&&(this.stencilFail=e.stencilFail),e.stencilZFail!==void 0&&(this.stencilZFail=e.stencilZFail),e.stencilZPass!==void 0&&(this.stencilZPass=e.stencilZPass),e.stencilWrite!==void 0&&(this.stencilWrite=e.stencilWrite),e.wireframe!==void 0&&(this.wireframe=e.wireframe),e.wireframeLinewidth!==void 0&&(this.wireframeLinewidth=e.wireframeLinewidth),e.wireframeLinecap!==void 0&&(this.wireframeLinecap=e.wireframeLinecap),e.wireframeLinejoin!==void 0&&(this.wireframeLinejoin=e.wireframeLinejoin),e.rotation!==void 0&&(this.rotation=e.rotation),e.linewidth!==void 0&&(this.linewidth=e.linewidth),e.linecap!==void 0&&(this.linecap=e.linecap),e.linejoin!==void 0&&(this.linejoin=e.linejoin),e.dashSize!==void 0&&(this.dashSize=e.dashSize),e.gapSize!==void 0&&(this.gapSize=e.gapSize),e.scale!==void 0&&(this.scale=e.scale),e.polygonOffset!==void 0&&(this.polygonOffset=e.polygonOffset),e.polygonOffsetFactor!==void 0&&(this.polygonOffsetFactor=e.polygonOffsetFactor),e.polygonOffsetUnits!==void 0&&(this.polygonOffsetUnits=e.polygonOffsetUnits),e.dithering!==void 0&&(this.dithering=e.dithering),e.alphaToCoverage!==void 0&&(this.alphaToCoverage=e.alphaToCoverage),e.premultipliedAlpha!==void 0&&(this.premultipliedAlpha=e.premultipliedAlpha),e.forceSinglePass!==void 0&&(this.forceSinglePass=e.forceSinglePass),e.allowOverride!==void 0&&(this.allowOverride=e.allowOverride),e.visible!==void 0&&(this.visible=e.visible),e.toneMapped!==void 0&&(this.toneMapped=e.toneMapped),e.userData!==void 0&&(this.userData=e.userData),e.vertexColors!==void 0&&(typeof e.vertexColors=="number"?this.vertexColors=e.vertexColors>0:this.vertexColors=e.vertexColors),e.size!==void 0&&(this.size=e.size),e.sizeAttenuation!==void 0&&(this.sizeAttenuation=e.sizeAttenuation),e.map!==void 0&&(this.map=t[e.map]||null),e.matcap!==void 0&&(this.matcap=t[e.matcap]||null),e.alphaMap!==void 0&&(this.alphaMap=t[e.alphaMap]||null),e.bumpMap!==void 0&&(this.bumpMap=t[e.bumpMap]||null),e.bumpScale!==void 0&&(this.bumpScale=e.bumpScale),e.normalMap!==void 0&&(this.normalMap=t[e.normalMap]||null),e.normalMapType!==void 0&&(this.normalMapType=e.normalMapType),e.normalScale!==void 0){let i=e.normalScale;Array.isArray(i)===!1&&(i=[i,i]),this.normalScale=new qe().fromArray(i)}return e.displacementMap!==void 0&&(this.displacementMap=t[e.displacementMap]||null),e.displacementScale!==void 0&&(this.displacementScale=e.displacementScale),e.displacementBias!==void 0&&(this.displacementBias=e.displacementBias),e.roughnessMap!==void 0&&(this.roughnessMap=t[e.roughnessMap]||null),e.metalnessMap!==void 0&&(this.metalnessMap=t[e.metalnessMap]||null),e.emissiveMap!==void 0&&(this.emissiveMap=t[e.emissiveMap]||null),e.emissiveIntensity!==void 0&&(this.emissiveIntensity=e.emissiveIntensity),e.specularMap!==void 0&&(this.specularMap=t[e.specularMap]||null),e.specularIntensityMap!==void 0&&(this.specularIntensityMap=t[e.specularIntensityMap]||null),e.specularColorMap!==void 0&&(this.specularColorMap=t[e.specularColorMap]||null),e.envMap!==void 0&&(this.envMap=t[e.envMap]||null),e.envMapRotation!==void 0&&this.envMapRotation.fromArray(e.envMapRotation),e.envMapIntensity!==void 0&&(this.envMapIntensity=e.envMapIntensity),e.reflectivity!==void 0&&(this.reflectivity=e.reflectivity),e.refractionRatio!==void 0&&(this.refractionRatio=e.refractionRatio),e.lightMap!==void 0&&(this.lightMap=t[e.lightMap]||null),e.lightMapIntensity!==void 0&&(this.lightMapIntensity=e.lightMapIntensity),e.aoMap!==void 0&&(this.aoMap=t[e.aoMap]||null),e.aoMapIntensity!==void 0&&(this.aoMapIntensity=e.aoMapIntensity),e.gradientMap!==void 0&&(this.gradientMap=t[e.gradientMap]||null),e.clearcoatMap!==void 0&&(this.clearcoatMap=t[e.clearcoatMap]||null),e.clearcoatRoughnessMap!==void 0&&(this.clearcoatRoughnessMap=t[e.clearcoatRoughnessMap]||null),e.clearcoatNormalMap!==void 0&&(this.clearcoatNormalMap=t[e.clearcoatNormalMap]||null),e.clearcoatNormalScale!==void 0&&(this.clearcoatNormalScale=new qe().fromArray(e.clearcoatNormalScale)),e.diffuseRoughnessMap!==void 0&&(this.diffuseRoughnessMap=t[e.diffuseRoughnessMap]||null),e.iridescenceMap!==void 0&&(this.iridescenceMap=t[e.iridescenceMap]||null),e.iridescenceThicknessMap!==void 0&&(this.iridescenceThicknessMap=t[e.iridescenceThicknessMap]||null),e.transmissionMap!==void 0&&(this.transmissionMap=t[e.transmissionMap]||null),e.thicknessMap!==void 0&&(this.thicknessMap=t[e.thicknessMap]||null),e.anisotropyMap!==void 0&&(this.anisotropyMap=t[e.anisotropyMap]||null),e.sheenColorMap!==void 0&&(this.sheenColorMap=t[e.sheenColorMap]||null),e.sheenRoughnessMap!==void 0&&(this.sheenRoughnessMap=t[e.sheenRoughnessMap]||null),this}clone(){return new this.constructor().copy(this)}copy(e){this.name=e.name,this.blending=e.blending,this.side=e.side,this.vertexColors=e.vertexColors,this.opacity=e.opacity,this.transparent=e.transparent,this.blendSrc=e.blendSrc,this.blendDst=e.blendDst,this.blendEquation=e.blendEquation,this.blendSrcAlpha=e.blendSrcAlpha,this.blendDstAlpha=e.blendDstAlpha,this.blendEquationAlpha=e.blendEquationAlpha,this.blendColor.copy(e.blendColor),this.blendAlpha=e.blendAlpha,this.depthFunc=e.depthFunc,this.depthTest=e.depthTest,this.depthWrite=e.depthWrite,this.stencilWriteMask=e.stencilWriteMask,this.stencilFunc=e.stencilFunc,this.stencilRef=e.stencilRef,this.stencilFuncMask=e.stencilFuncMask,this.stencilFail=e.stencilFail,this.stencilZFail=e.stencilZFail,this.stencilZPass=e.stencilZPass,this.stencilWrite=e.stencilWrite;let t=e.clippingPlanes,i=null;if(t!==null){let s=t.length;i=new Array(s);for(let r=0;r!==s;++r)i[r]=t[r].clone()}return this.clippingPlanes=i,this.clipIntersection=e.clipIntersection,this.clipShadows=e.clipShadows,this.shadowSide=e.shadowSide,this.colorWrite=e.colorWrite,this.precision=e.precision,this.polygonOffset=e.polygonOffset,this.polygonOffsetFactor=e.polygonOffsetFactor,this.polygonOffsetUnits=e.polygonOffsetUnits,this.dithering=e.dithering,this.alphaTest=e.alphaTest,this.alphaHash=e.alphaHash,this.alphaToCoverage=e.alphaToCoverage,this.premultipliedAlpha=e.premultipliedAlpha,this.forceSinglePass=e.forceSinglePass,this.allowOverride=e.allowOverride,this.visible=e.visible,this.toneMapped=e.toneMapped,this.userData=JSON.parse(JSON.stringify(e.userData)),this}dispose(){this.dispatchEvent({type:"dispose"})}set needsUpdate(e){e===!0&&this.version++}};var Bn=new V,vc=new V,po=new V,mo=new V,Ks=class{constructor(e=new V,t=new V(0,0,-1)){this.origin=e,this.direction=t}set(e,t){return this.origin.copy(e),this.direction.copy(t),this}copy(e){return this.origin.copy(e.origin),this.direction.copy(e.direction),this}at(e,t){return t.copy(this.origin).addScaledVector(this.direction,e)}lookAt(e){return this.direction.copy(e).sub(this.origin).normalize(),this}recast(e){return this.origin.copy(this.at(e,Bn)),this}closestPointToPoint(e,t){t.subVectors(e,this.origin);let i=t.dot(this.direction);return i<0?t.copy(this.origin):t.copy(this.origin).addScaledVector(this.direction,i)}distanceToPoint(e){return Math.sqrt(this.distanceSqToPoint(e))}distanceSqToPoint(e){let t=Bn.subVectors(e,this.origin).dot(this.direction);return t<0?this.origin.distanceToSquared(e):(Bn.copy(this.origin).addScaledVector(this.direction,t),Bn.distanceToSquared(e))}distanceSqToSegment(e,t,i,s){vc.copy(e).add(t).multiplyScalar(.5),po.copy(t).sub(e).normalize(),mo.copy(this.origin).sub(vc);let r=e.distanceTo(t)*.5,o=-this.direction.dot(po),a=mo.dot(this.direction),l=-mo.dot(po),c=mo.lengthSq(),u=Math.abs(1-o*o),h,f,d,m;if(u>0)if(h=o*l-a,f=o*a-l,m=r*u,h>=0)if(f>=-m)if(f<=m){let y=1/u;h*=y,f*=y,d=h*(h+o*f+2*a)+f*(o*h+f+2*l)+c}else f=r,h=Math.max(0,-(o*f+a)),d=-h*h+f*(f+2*l)+c;else f=-r,h=Math.max(0,-(o*f+a)),d=-h*h+f*(f+2*l)+c;else f<=-m?(h=Math.max(0,-(-o*r+a)),f=h>0?-r:Math.min(Math.max(-r,-l),r),d=-h*h+f*(f+2*l)+c):f<=m?(h=0,f=Math.min(Math.max(-r,-l),r),d=f*(f+2*l)+c):(h=Math.max(0,-(o*r+a)),f=h>0?r:Math.min(Math.max(-r,-l),r),d=-h*h+f*(f+2*l)+c);else f=o>0?-r:r,h=Math.max(0,-(o*f+a)),d=-h*h+f*(f+2*l)+c;return i&&i.copy(this.origin).addScaledVector(this.direction,h),s&&s.copy(vc).addScaledVector(po,f),d}intersectSphere(e,t){if(e.radius<0)return null;Bn.subVectors(e.center,this.origin);let i=Bn.dot(this.direction),s=Bn.dot(Bn)-i*i,r=e.radius*e.radius;if(s>r)return null;let o=Math.sqrt(r-s),a=i-o,l=i+o;return l<0?null:a<0?this.at(l,t):this.at(a,t)}intersectsSphere(e){return e.radius<0?!1:this.distanceSqToPoint(e.center)<=e.radius*e.radius}distanceToPlane(e){let t=e.normal.dot(this.direction);if(t===0)return e.distanceToPoint(this.origin)===0?0:null;let i=-(this.origin.dot(e.normal)+e.constant)/t;return i>=0?i:null}intersectPlane(e,t){let i=this.distanceToPlane(e);return i===null?null:this.at(i,t)}intersectsPlane(e){let t=e.distanceToPoint(this.origin);return t===0||e.normal.dot(this.direction)*t<0}intersectBox(e,t){let i,s,r,o,a,l,c=1/this.direction.x,u=1/this.direction.y,h=1/this.direction.z,f=this.origin;return c>=0?(i=(e.min.x-f.x)*c,s=(e.max.x-f.x)*c):(i=(e.max.x-f.x)*c,s=(e.min.x-f.x)*c),u>=0?(r=(e.min.y-f.y)*u,o=(e.max.y-f.y)*u):(r=(e.max.y-f.y)*u,o=(e.min.y-f.y)*u),i>o||r>s||((r>i||isNaN(i))&&(i=r),(o<s||isNaN(s))&&(s=o),h>=0?(a=(e.min.z-f.z)*h,l=(e.max.z-f.z)*h):(a=(e.max.z-f.z)*h,l=(e.min.z-f.z)*h),i>l||a>s)||((a>i||i!==i)&&(i=a),(l<s||s!==s)&&(s=l),s<0)?null:this.at(i>=0?i:s,t)}intersectsBox(e){return this.intersectBox(e,Bn)!==null}intersectTriangle(e,t,i,s,r){let o=this.origin,a=this.direction,l=a.x,c=a.y,u=a.z,h=e.x-o.x,f=e.y-o.y,d=e.z-o.z,m=t.x-o.x,y=t.y-o.y,g=t.z-o.z,p=i.x-o.x,x=i.y-o.y,b=i.z-o.z,S=Math.abs(l),E=Math.abs(c),T=Math.abs(u),_,w,D,P,N,k,W,C,G,$,B,ee;if(S>=E&&S>=T?(D=l,k=h,G=m,ee=p,l>=0?(_=c,w=u,P=f,N=d,W=y,C=g,$=x,B=b):(_=u,w=c,P=d,N=f,W=g,C=y,$=b,B=x)):E>=T?(D=c,k=f,G=y,ee=x,c>=0?(_=u,w=l,P=d,N=h,W=g,C=m,$=b,B=p):(_=l,w=u,P=h,N=d,W=m,C=g,$=p,B=b)):(D=u,k=d,G=g,ee=b,u>=0?(_=l,w=c,P=h,N=f,W=m,C=y,$=p,B=x):(_=c,w=l,P=f,N=h,W=y,C=m,$=x,B=p)),D===0)return null;let H=_/D,j=w/D,Q=1/D,ve=P-H*k,Pe=N-j*k,Y=W-H*G,fe=C-j*G,ye=$-H*ee,Ee=B-j*ee,ge=ye*fe-Ee*Y,Ue=ve*Ee-Pe*ye,ct=Y*Pe-fe*ve;if(s){if(ge<0||Ue<0||ct<0)return null}else if((ge<0||Ue<0||ct<0)&&(ge>0||Ue>0||ct>0))return null;let Re=ge+Ue+ct;if(Re===0)return null;let Ze=Q*(ge*k+Ue*G+ct*ee);return(Re>0?Ze<0:Ze>0)?null:this.at(Ze/Re,r)}applyMatrix4(e){return this.origin.applyMatrix4(e),this.direction.transformDirection(e),this}equals(e){return e.origin.equals(this.origin)&&e.direction.equals(this.direction)}clone(){return new this.constructor().copy(this)}},Xo=class extends ri{constructor(e){super(),this.isMeshBasicMaterial=!0,this.type="MeshBasicMaterial",this.color=new We(16777215),this.map=null,this.lightMap=null,this.lightMapIntensity=1,this.aoMap=null,this.aoMapIntensity=1,this.specularMap=null,this.alphaMap=null,this.envMap=null,this.envMapRotation=new os,this.combine=Dc,this.reflectivity=1,this.refractionRatio=.98,this.wireframe=!1,this.wireframeLinewidth=1,this.wireframeLinecap="round",this.wireframeLinejoin="round",this.fog=!0,this.setValues(e)}copy(e){return super.copy(e),this.color.copy(e.color),this.map=e.map,this.lightMap=e.lightMap,this.lightMapIntensity=e.lightMapIntensity,this.aoMap=e.aoMap,this.aoMapIntensity=e.aoMapIntensity,this.specularMap=e.specularMap,this.alphaMap=e.alphaMap,this.envMap=e.envMap,this.envMapRotation.copy(e.envMapRotation),this.combine=e.combine,this.reflectivity=e.reflectivity,this.refractionRatio=e.refractionRatio,this.wireframe=e.wireframe,this.wireframeLinewidth=e.wireframeLinewidth,this.wireframeLinecap=e.wireframeLinecap,this.wireframeLinejoin=e.wireframeLinejoin,this.fog=e.fog,this}},Yf=new nt,wi=new Ks,go=new Ti,Zf=new V,_o=new V,yo=new V,xo=new V,Mc=new V,vo=new V,Jf=new V,Mo=new V,rn=class extends sn{constructor(e=new kt,t=new Xo){super(),this.isMesh=!0,this.type="Mesh",this.geometry=e,this.material=t,this.morphTargetDictionary=void 0,this.morphTargetInfluences=void 0,this.count=1,this.updateMorphTargets()}copy(e,t){return super.copy(e,t),e.morphTargetInfluences!==void 0?this.morphTargetInfluences=e.morphTargetInfluences.slice():this.morphTargetInfluences=void 0,e.morphTargetDictionary!==void 0?this.morphTargetDictionary=Object.assign({},e.morphTargetDictionary):this.morphTargetDictionary=void 0,this.material=Array.isArray(e.material)?e.material.slice():e.material,this.geometry=e.geometry,this}updateMorphTargets(){let t=this.geometry.morphAttributes,i=Object.keys(t);if(i.length>0){let s=t[i[0]];if(s!==void 0){this.morphTargetInfluences=[],this.morphTargetDictionary={};for(let r=0,o=s.length;r<o;r++){let a=s[r].name||String(r);this.morphTargetInfluences.push(0),this.morphTargetDictionary[a]=r}}}}getVertexPosition(e,t){let i=this.geometry,s=i.attributes.position,r=i.morphAttributes.position,o=i.morphTargetsRelative;t.fromBufferAttribute(s,e);let a=this.morphTargetInfluences;if(r&&a){vo.set(0,0,0);for(let l=0,c=r.length;l<c;l++){let u=a[l],h=r[l];u!==0&&(Mc.fromBufferAttribute(h,e),o?vo.addScaledVector(Mc,u):vo.addScaledVector(Mc.sub(t),u))}t.add(vo)}return t}intersectsFrustum(e){return e.intersectsObject(this)}raycast(e,t){let i=this.geometry,s=this.material,r=this.matrixWorld;s!==void 0&&(i.boundingSphere===null&&i.computeBoundingSphere(),go.copy(i.boundingSphere),go.applyMatrix4(r),wi.copy(e.ray).recast(e.near),!(go.containsPoint(wi.origin)===!1&&(wi.intersectSphere(go,Zf)===null||wi.origin.distanceToSquared(Zf)>(e.far-e.near)**2))&&(Yf.copy(r).invert(),wi.copy(e.ray).applyMatrix4(Yf),!(i.boundingBox!==null&&wi.intersectsBox(i.boundingBox)===!1)&&this._computeIntersections(e,t,wi)))}_computeIntersections(e,t,i){let s,r=this.geometry,o=this.material,a=r.index,l=r.attributes.position,c=r.attributes.uv,u=r.attributes.uv1,h=r.attributes.normal,f=r.groups,d=r.drawRange;if(a!==null)if(Array.isArray(o))for(let m=0,y=f.length;m<y;m++){let g=f[m],p=o[g.materialIndex],x=Math.max(g.start,d.start),b=Math.min(a.count,Math.min(g.start+g.count,d.start+d.count));for(let S=x,E=b;S<E;S+=3){let T=a.getX(S),_=a.getX(S+1),w=a.getX(S+2);s=So(this,p,e,i,c,u,h,T,_,w),s&&(s.faceIndex=Math.floor(S/3),s.face.materialIndex=g.materialIndex,t.push(s))}}else{let m=Math.max(0,d.start),y=Math.min(a.count,d.start+d.count);for(let g=m,p=y;g<p;g+=3){let x=a.getX(g),b=a.getX(g+1),S=a.getX(g+2);s=So(this,o,e,i,c,u,h,x,b,S),s&&(s.faceIndex=Math.floor(g/3),t.push(s))}}else if(l!==void 0)if(Array.isArray(o))for(let m=0,y=f.length;m<y;m++){let g=f[m],p=o[g.materialIndex],x=Math.max(g.start,d.start),b=Math.min(l.count,Math.min(g.start+g.count,d.start+d.count));for(let S=x,E=b;S<E;S+=3){let T=S,_=S+1,w=S+2;s=So(this,p,e,i,c,u,h,T,_,w),s&&(s.faceIndex=Math.floor(S/3),s.face.materialIndex=g.materialIndex,t.push(s))}}else{let m=Math.max(0,d.start),y=Math.min(l.count,d.start+d.count);for(let g=m,p=y;g<p;g+=3){let x=g,b=g+1,S=g+2;s=So(this,o,e,i,c,u,h,x,b,S),s&&(s.faceIndex=Math.floor(g/3),t.push(s))}}}};function Qg(n,e,t,i,s,r,o,a){let l;if(e.side===Ut?l=i.intersectTriangle(o,r,s,!0,a):l=i.intersectTriangle(s,r,o,e.side===ci,a),l===null)return null;Mo.copy(a),Mo.applyMatrix4(n.matrixWorld);let c=t.ray.origin.distanceTo(Mo);return c<t.near||c>t.far?null:{distance:c,point:Mo.clone(),object:n}}function So(n,e,t,i,s,r,o,a,l,c){n.getVertexPosition(a,_o),n.getVertexPosition(l,yo),n.getVertexPosition(c,xo);let u=Qg(n,e,t,i,_o,yo,xo,Jf);if(u){let h=new V;ii.getBarycoord(Jf,_o,yo,xo,h),s&&(u.uv=ii.getInterpolatedAttribute(s,a,l,c,h,new qe)),r&&(u.uv1=ii.getInterpolatedAttribute(r,a,l,c,h,new qe)),o&&(u.normal=ii.getInterpolatedAttribute(o,a,l,c,h,new V),u.normal.dot(i.direction)>0&&u.normal.multiplyScalar(-1));let f={a,b:l,c,normal:new V,materialIndex:0};ii.getNormal(_o,yo,xo,f.normal),u.face=f,u.barycoord=h}return u}var ls=class extends Bt{constructor(e=null,t=1,i=1,s,r,o,a,l,c=lt,u=lt,h,f){super(null,o,a,l,c,u,s,r,h,f),this.isDataTexture=!0,this.image={data:e,width:t,height:i},this.generateMipmaps=!1,this.flipY=!1,this.unpackAlignment=1}};var Ai=new Ti,e_=new qe(.5,.5),bo=new V,Ri=class{constructor(e=new pn,t=new pn,i=new pn,s=new pn,r=new pn,o=new pn){this.planes=[e,t,i,s,r,o]}set(e,t,i,s,r,o){let a=this.planes;return a[0].copy(e),a[1].copy(t),a[2].copy(i),a[3].copy(s),a[4].copy(r),a[5].copy(o),this}copy(e){let t=this.planes;for(let i=0;i<6;i++)t[i].copy(e.planes[i]);return this}setFromProjectionMatrix(e,t=tn,i=!1){let s=this.planes,r=e.elements,o=r[0],a=r[1],l=r[2],c=r[3],u=r[4],h=r[5],f=r[6],d=r[7],m=r[8],y=r[9],g=r[10],p=r[11],x=r[12],b=r[13],S=r[14],E=r[15];if(s[0].setComponents(c-o,d-u,p-m,E-x).normalize(),s[1].setComponents(c+o,d+u,p+m,E+x).normalize(),s[2].setComponents(c+a,d+h,p+y,E+b).normalize(),s[3].setComponents(c-a,d-h,p-y,E-b).normalize(),i)s[4].setComponents(l,f,g,S).normalize(),s[5].setComponents(c-l,d-f,p-g,E-S).normalize();else if(s[4].setComponents(c-l,d-f,p-g,E-S).normalize(),t===tn)s[5].setComponents(c+l,d+f,p+g,E+S).normalize();else if(t===Xs)s[5].setComponents(l,f,g,S).normalize();else throw new Error("THREE.Frustum.setFromProjectionMatrix(): Invalid coordinate system: "+t);return this}intersectsObject(e){if(e.boundingSphere!==void 0)e.boundingSphere===null&&e.computeBoundingSphere(),Ai.copy(e.boundingSphere).applyMatrix4(e.matrixWorld);else{let t=e.geometry;t.boundingSphere===null&&t.computeBoundingSphere(),Ai.copy(t.boundingSphere).applyMatrix4(e.matrixWorld)}return this.intersectsSphere(Ai)}intersectsSprite(e){Ai.center.set(0,0,0);let t=e_.distanceTo(e.center);return Ai.radius=.7071067811865476+t,Ai.applyMatrix4(e.matrixWorld),this.intersectsSphere(Ai)}intersectsSphere(e){let t=this.planes,i=e.center,s=-e.radius;for(let r=0;r<6;r++)if(t[r].distanceToPoint(i)<s)return!1;return!0}intersectsBox(e){let t=this.planes;for(let i=0;i<6;i++){let s=t[i];if(bo.x=s.normal.x>0?e.max.x:e.min.x,bo.y=s.normal.y>0?e.max.y:e.min.y,bo.z=s.normal.z>0?e.max.z:e.min.z,s.distanceToPoint(bo)<0)return!1}return!0}containsPoint(e){let t=this.planes;for(let i=0;i<6;i++)if(t[i].distanceToPoint(e)<0)return!1;return!0}clone(){return new this.constructor().copy(this)}},Kf=new nt,qo=class n{constructor(){this.coordinateSystem=tn,this._frustums=[],this._count=0}setFromArrayCamera(e){let t=e.cameras,i=this._frustums;for(let s=0;s<t.length;s++){let r=t[s];Kf.multiplyMatrices(r.projectionMatrix,r.matrixWorldInverse),i[s]===void 0&&(i[s]=new Ri),i[s].setFromProjectionMatrix(Kf,r.coordinateSystem,r.reversedDepth)}return this._count=t.length,this}getFrustum(e){return this._frustums[e]}intersectsObject(e){let t=this._frustums;for(let i=0;i<this._count;i++)if(t[i].intersectsObject(e))return!0;return!1}intersectsSprite(e){let t=this._frustums;for(let i=0;i<this._count;i++)if(t[i].intersectsSprite(e))return!0;return!1}intersectsSphere(e){let t=this._frustums;for(let i=0;i<this._count;i++)if(t[i].intersectsSphere(e))return!0;return!1}intersectsBox(e){let t=this._frustums;for(let i=0;i<this._count;i++)if(t[i].intersectsBox(e))return!0;return!1}containsPoint(e){let t=this._frustums;for(let i=0;i<this._count;i++)if(t[i].containsPoint(e))return!0;return!1}copy(e){this.coordinateSystem=e.coordinateSystem;let t=this._frustums,i=e._frustums;for(let s=0;s<e._count;s++)t[s]===void 0&&(t[s]=new Ri),t[s].copy(i[s]);return this._count=e._count,this}clone(){return new n().copy(this)}};var $o=class extends ri{constructor(e){super(),this.isPointsMaterial=!0,this.type="PointsMaterial",this.color=new We(16777215),this.map=null,this.alphaMap=null,this.size=1,this.sizeAttenuation=!0,this.fog=!0,this.setValues(e)}copy(e){return super.copy(e),this.color.copy(e.color),this.map=e.map,this.alphaMap=e.alphaMap,this.size=e.size,this.sizeAttenuation=e.sizeAttenuation,this.fog=e.fog,this}},jf=new nt,Ec=new Ks,wo=new Ti,Ao=new V,cs=class extends sn{constructor(e=new kt,t=new $o){super(),this.isPoints=!0,this.type="Points",this.geometry=e,this.material=t,this.morphTargetDictionary=void 0,this.morphTargetInfluences=void 0,this.updateMorphTargets()}copy(e,t){return super.copy(e,t),e.morphTargetInfluences!==void 0?this.morphTargetInfluences=e.morphTargetInfluences.slice():this.morphTargetInfluences=void 0,e.morphTargetDictionary!==void 0?this.morphTargetDictionary=Object.assign({},e.morphTargetDictionary):this.morphTargetDictionary=void 0,this.material=Array.isArray(e.material)?e.material.slice():e.material,this.geometry=e.geometry,this}intersectsFrustum(e){return e.intersectsObject(this)}raycast(e,t){let i=this.geometry,s=this.matrixWorld,r=e.params.Points.threshold,o=i.drawRange;if(i.boundingSphere===null&&i.computeBoundingSphere(),wo.copy(i.boundingSphere),wo.applyMatrix4(s),wo.radius+=r,e.ray.intersectsSphere(wo)===!1)return;jf.copy(s).invert(),Ec.copy(e.ray).applyMatrix4(jf);let a=r/((this.scale.x+this.scale.y+this.scale.z)/3),l=a*a,c=i.index,h=i.attributes.position;if(c!==null){let f=Math.max(0,o.start),d=Math.min(c.count,o.start+o.count);for(let m=f,y=d;m<y;m++){let g=c.getX(m);Ao.fromBufferAttribute(h,g),Qf(Ao,g,l,s,e,t,this)}}else{let f=Math.max(0,o.start),d=Math.min(h.count,o.start+o.count);for(let m=f,y=d;m<y;m++)Ao.fromBufferAttribute(h,m),Qf(Ao,m,l,s,e,t,this)}}updateMorphTargets(){let t=this.geometry.morphAttributes,i=Object.keys(t);if(i.length>0){let s=t[i[0]];if(s!==void 0){this.morphTargetInfluences=[],this.morphTargetDictionary={};for(let r=0,o=s.length;r<o;r++){let a=s[r].name||String(r);this.morphTargetInfluences.push(0),this.morphTargetDictionary[a]=r}}}}};function Qf(n,e,t,i,s,r,o){let a=Ec.distanceSqToPoint(n);if(a<t){let l=new V;Ec.closestPointToPoint(n,l),l.applyMatrix4(i);let c=s.ray.origin.distanceTo(l);if(c<s.near||c>s.far)return;r.push({distance:c,distanceToRay:Math.sqrt(a),point:l,index:e,face:null,faceIndex:null,barycoord:null,object:o})}}var js=class extends Bt{constructor(e=[],t=Li,i,s,r,o,a,l,c,u){super(e,t,i,s,r,o,a,l,c,u),this.isCubeTexture=!0,this.flipY=!1}get images(){return this.image}set images(e){this.image=e}};var Gn=class extends Bt{constructor(e,t,i=mn,s,r,o,a=lt,l=lt,c,u=zn,h=1){if(u!==zn&&u!==Wn)throw new Error("THREE.DepthTexture: format must be either THREE.DepthFormat or THREE.DepthStencilFormat");let f={width:e,height:t,depth:h};super(f,s,r,o,a,l,u,i,c),this.isDepthTexture=!0,this.flipY=!1,this.generateMipmaps=!1,this.compareFunction=null}copy(e){return super.copy(e),this.source=new rs(Object.assign({},e.image)),this.compareFunction=e.compareFunction,this}toJSON(e){let t=super.toJSON(e);return t.compareFunction=this.compareFunction,t}},Qs=class extends Gn{constructor(e,t=mn,i=Li,s,r,o=lt,a=lt,l,c=zn){let u={width:e,height:e,depth:1},h=[u,u,u,u,u,u];super(e,e,t,i,s,r,o,a,l,c),this.image=h,this.isCubeDepthTexture=!0,this.isCubeTexture=!0}get images(){return this.image}set images(e){this.image=e}},er=class extends Bt{constructor(e=null){super(),this.sourceTexture=e,this.isExternalTexture=!0}copy(e){return super.copy(e),this.sourceTexture=e.sourceTexture,this}},us=class n extends kt{constructor(e=1,t=1,i=1,s=1,r=1,o=1){super(),this.type="BoxGeometry",this.parameters={width:e,height:t,depth:i,widthSegments:s,heightSegments:r,depthSegments:o};let a=this;s=Math.floor(s),r=Math.floor(r),o=Math.floor(o);let l=[],c=[],u=[],h=[],f=0,d=0;m("z","y","x",-1,-1,i,t,e,o,r,0),m("z","y","x",1,-1,i,t,-e,o,r,1),m("x","z","y",1,1,e,i,t,s,o,2),m("x","z","y",1,-1,e,i,-t,s,o,3),m("x","y","z",1,-1,e,t,i,s,r,4),m("x","y","z",-1,-1,e,t,-i,s,r,5),this.setIndex(l),this.setAttribute("position",new nn(c,3)),this.setAttribute("normal",new nn(u,3)),this.setAttribute("uv",new nn(h,2));function m(y,g,p,x,b,S,E,T,_,w,D){let P=S/_,N=E/w,k=S/2,W=E/2,C=T/2,G=_+1,$=w+1,B=0,ee=0,H=new V;for(let j=0;j<$;j++){let Q=j*N-W;for(let ve=0;ve<G;ve++){let Pe=ve*P-k;H[y]=Pe*x,H[g]=Q*b,H[p]=C,c.push(H.x,H.y,H.z),H[y]=0,H[g]=0,H[p]=T>0?1:-1,u.push(H.x,H.y,H.z),h.push(ve/_),h.push(1-j/w),B+=1}}for(let j=0;j<w;j++)for(let Q=0;Q<_;Q++){let ve=f+Q+G*j,Pe=f+Q+G*(j+1),Y=f+(Q+1)+G*(j+1),fe=f+(Q+1)+G*j;l.push(ve,Pe,fe),l.push(Pe,Y,fe),ee+=6}a.addGroup(d,ee,D),d+=ee,f+=B}}copy(e){return super.copy(e),this.parameters=Object.assign({},e.parameters),this}static fromJSON(e){return new n(e.width,e.height,e.depth,e.widthSegments,e.heightSegments,e.depthSegments)}};var Ci=class n extends kt{constructor(e=1,t=1,i=1,s=1){super(),this.type="PlaneGeometry",this.parameters={width:e,height:t,widthSegments:i,heightSegments:s};let r=e/2,o=t/2,a=Math.floor(i),l=Math.floor(s),c=a+1,u=l+1,h=e/a,f=t/l,d=[],m=[],y=[],g=[];for(let p=0;p<u;p++){let x=p*f-o;for(let b=0;b<c;b++){let S=b*h-r;m.push(S,-x,0),y.push(0,0,1),g.push(b/a),g.push(1-p/l)}}for(let p=0;p<l;p++)for(let x=0;x<a;x++){let b=x+c*p,S=x+c*(p+1),E=x+1+c*(p+1),T=x+1+c*p;d.push(b,S,T),d.push(S,E,T)}this.setIndex(d),this.setAttribute("position",new nn(m,3)),this.setAttribute("normal",new nn(y,3)),this.setAttribute("uv",new nn(g,2))}copy(e){return super.copy(e),this.parameters=Object.assign({},e.parameters),this}static fromJSON(e){return new n(e.width,e.height,e.widthSegments,e.heightSegments)}};function Di(n){let e={};for(let t in n){e[t]={};for(let i in n[t]){let s=n[t][i];if(ed(s))s.isRenderTargetTexture?(Ce("UniformsUtils: Textures of render targets cannot be cloned via cloneUniforms() or mergeUniforms()."),e[t][i]=null):e[t][i]=s.clone();else if(Array.isArray(s))if(ed(s[0])){let r=[];for(let o=0,a=s.length;o<a;o++)r[o]=s[o].clone();e[t][i]=r}else e[t][i]=s.slice();else e[t][i]=s}}return e}function It(n){let e={};for(let t=0;t<n.length;t++){let i=Di(n[t]);for(let s in i)e[s]=i[s]}return e}function ed(n){return n&&(n.isColor||n.isMatrix3||n.isMatrix4||n.isVector2||n.isVector3||n.isVector4||n.isTexture||n.isQuaternion)}function t_(n){let e=[];for(let t=0;t<n.length;t++)e.push(n[t].clone());return e}function nu(n){let e=n.getRenderTarget();return e===null?n.outputColorSpace:e.isXRRenderTarget===!0?e.texture.colorSpace:Ve.workingColorSpace}var Vd={clone:Di,merge:It},n_=`void main() {
	gl_Position = projectionMatrix * modelViewMatrix * vec4( position, 1.0 );
}`,i_=`void main() {
	gl_FragColor = vec4( 1.0, 0.0, 0.0, 1.0 );
}`,on=class extends ri{constructor(e){super(),this.isShaderMaterial=!0,this.type="ShaderMaterial",this.defines={},this.uniforms={},this.uniformsGroups=[],this.vertexShader=n_,this.fragmentShader=i_,this.linewidth=1,this.wireframe=!1,this.wireframeLinewidth=1,this.fog=!1,this.lights=!1,this.clipping=!1,this.forceSinglePass=!0,this.extensions={clipCullDistance:!1,multiDraw:!1},this.defaultAttributeValues={color:[1,1,1],uv:[0,0],uv1:[0,0]},this.index0AttributeName=void 0,this.uniformsNeedUpdate=!1,this.glslVersion=null,e!==void 0&&this.setValues(e)}copy(e){return super.copy(e),this.fragmentShader=e.fragmentShader,this.vertexShader=e.vertexShader,this.uniforms=Di(e.uniforms),this.uniformsGroups=t_(e.uniformsGroups),this.defines=Object.assign({},e.defines),this.wireframe=e.wireframe,this.wireframeLinewidth=e.wireframeLinewidth,this.fog=e.fog,this.lights=e.lights,this.clipping=e.clipping,this.extensions=Object.assign({},e.extensions),this.glslVersion=e.glslVersion,this.defaultAttributeValues=Object.assign({},e.defaultAttributeValues),this.index0AttributeName=e.index0AttributeName,this.uniformsNeedUpdate=e.uniformsNeedUpdate,this}toJSON(e){let t=super.toJSON(e);t.glslVersion=this.glslVersion,t.uniforms={};for(let s in this.uniforms){let o=this.uniforms[s].value;o&&o.isTexture?t.uniforms[s]={type:"t",value:o.toJSON(e).uuid}:o&&o.isColor?t.uniforms[s]={type:"c",value:o.getHex()}:o&&o.isVector2?t.uniforms[s]={type:"v2",value:o.toArray()}:o&&o.isVector3?t.uniforms[s]={type:"v3",value:o.toArray()}:o&&o.isVector4?t.uniforms[s]={type:"v4",value:o.toArray()}:o&&o.isMatrix3?t.uniforms[s]={type:"m3",value:o.toArray()}:o&&o.isMatrix4?t.uniforms[s]={type:"m4",value:o.toArray()}:t.uniforms[s]={value:o}}Object.keys(this.defines).length>0&&(t.defines=this.defines),t.vertexShader=this.vertexShader,t.fragmentShader=this.fragmentShader,t.lights=this.lights,t.clipping=this.clipping;let i={};for(let s in this.extensions)this.extensions[s]===!0&&(i[s]=!0);return Object.keys(i).length>0&&(t.extensions=i),t}fromJSON(e,t){if(super.fromJSON(e,t),e.uniforms!==void 0)for(let i in e.uniforms){let s=e.uniforms[i];switch(this.uniforms[i]={},s.type){case"t":this.uniforms[i].value=t[s.value]||null;break;case"c":this.uniforms[i].value=new We().setHex(s.value);break;case"v2":this.uniforms[i].value=new qe().fromArray(s.value);break;case"v3":this.uniforms[i].value=new V().fromArray(s.value);break;case"v4":this.uniforms[i].value=new at().fromArray(s.value);break;case"m3":this.uniforms[i].value=new Le().fromArray(s.value);break;case"m4":this.uniforms[i].value=new nt().fromArray(s.value);break;default:this.uniforms[i].value=s.value}}if(e.defines!==void 0&&(this.defines=e.defines),e.vertexShader!==void 0&&(this.vertexShader=e.vertexShader),e.fragmentShader!==void 0&&(this.fragmentShader=e.fragmentShader),e.glslVersion!==void 0&&(this.glslVersion=e.glslVersion),e.extensions!==void 0)for(let i in e.extensions)this.extensions[i]=e.extensions[i];return e.lights!==void 0&&(this.lights=e.lights),e.clipping!==void 0&&(this.clipping=e.clipping),this}},Yo=class extends on{constructor(e){super(e),this.isRawShaderMaterial=!0,this.type="RawShaderMaterial"}};var Zo=class extends ri{constructor(e){super(),this.isMeshDepthMaterial=!0,this.type="MeshDepthMaterial",this.depthPacking=Td,this.map=null,this.alphaMap=null,this.displacementMap=null,this.displacementScale=1,this.displacementBias=0,this.wireframe=!1,this.wireframeLinewidth=1,this.setValues(e)}copy(e){return super.copy(e),this.depthPacking=e.depthPacking,this.map=e.map,this.alphaMap=e.alphaMap,this.displacementMap=e.displacementMap,this.displacementScale=e.displacementScale,this.displacementBias=e.displacementBias,this.wireframe=e.wireframe,this.wireframeLinewidth=e.wireframeLinewidth,this}},Jo=class extends ri{constructor(e){super(),this.isMeshDistanceMaterial=!0,this.type="MeshDistanceMaterial",this.map=null,this.alphaMap=null,this.displacementMap=null,this.displacementScale=1,this.displacementBias=0,this.setValues(e)}copy(e){return super.copy(e),this.map=e.map,this.alphaMap=e.alphaMap,this.displacementMap=e.displacementMap,this.displacementScale=e.displacementScale,this.displacementBias=e.displacementBias,this}};function Qi(n,e){return!n||n.constructor===e?n:typeof e.BYTES_PER_ELEMENT=="number"?new e(n):Array.prototype.slice.call(n)}function Eo(n){return n!==void 0&&n.inTangents!==void 0&&n.outTangents!==void 0}var oi=class{constructor(e,t,i,s){this.parameterPositions=e,this._cachedIndex=0,this.resultBuffer=s!==void 0?s:new t.constructor(i),this.sampleValues=t,this.valueSize=i,this.settings=null,this.DefaultSettings_={}}evaluate(e){let t=this.parameterPositions,i=this._cachedIndex,s=t[i],r=t[i-1];n:{e:{let o;t:{i:if(!(e<s)){for(let a=i+2;;){if(s===void 0){if(e<r)break i;return i=t.length,this._cachedIndex=i,this.copySampleValue_(i-1)}if(i===a)break;if(r=s,s=t[++i],e<s)break e}o=t.length;break t}if(!(e>=r)){let a=t[1];e<a&&(i=2,r=a);for(let l=i-2;;){if(r===void 0)return this._cachedIndex=0,this.copySampleValue_(0);if(i===l)break;if(s=r,r=t[--i-1],e>=r)break e}o=i,i=0;break t}break n}for(;i<o;){let a=i+o>>>1;e<t[a]?o=a:i=a+1}if(s=t[i],r=t[i-1],r===void 0)return this._cachedIndex=0,this.copySampleValue_(0);if(s===void 0)return i=t.length,this._cachedIndex=i,this.copySampleValue_(i-1)}this._cachedIndex=i,this.intervalChanged_(i,r,s)}return this.interpolate_(i,r,e,s)}getSettings_(){return this.settings||this.DefaultSettings_}copySampleValue_(e){let t=this.resultBuffer,i=this.sampleValues,s=this.valueSize,r=e*s;for(let o=0;o!==s;++o)t[o]=i[r+o];return t}interpolate_(){throw new Error("THREE.Interpolant: Call to abstract method.")}intervalChanged_(){}},Ko=class extends oi{constructor(e,t,i,s){super(e,t,i,s),this._weightPrev=-0,this._offsetPrev=-0,this._weightNext=-0,this._offsetNext=-0,this.DefaultSettings_={endingStart:bc,endingEnd:bc}}intervalChanged_(e,t,i){let s=this.parameterPositions,r=e-2,o=e+1,a=s[r],l=s[o];if(a===void 0)switch(this.getSettings_().endingStart){case wc:r=e,a=2*t-i;break;case Ac:r=s.length-2,a=t+s[r]-s[r+1];break;default:r=e,a=i}if(l===void 0)switch(this.getSettings_().endingEnd){case wc:o=e,l=2*i-t;break;case Ac:o=1,l=i+s[1]-s[0];break;default:o=e-1,l=t}let c=(i-t)*.5,u=this.valueSize;this._weightPrev=c/(t-a),this._weightNext=c/(l-i),this._offsetPrev=r*u,this._offsetNext=o*u}interpolate_(e,t,i,s){let r=this.resultBuffer,o=this.sampleValues,a=this.valueSize,l=e*a,c=l-a,u=this._offsetPrev,h=this._offsetNext,f=this._weightPrev,d=this._weightNext,m=(i-t)/(s-t),y=m*m,g=y*m,p=-f*g+2*f*y-f*m,x=(1+f)*g+(-1.5-2*f)*y+(-.5+f)*m+1,b=(-1-d)*g+(1.5+d)*y+.5*m,S=d*g-d*y;for(let E=0;E!==a;++E)r[E]=p*o[u+E]+x*o[c+E]+b*o[l+E]+S*o[h+E];return r}},jo=class extends oi{constructor(e,t,i,s){super(e,t,i,s)}interpolate_(e,t,i,s){let r=this.resultBuffer,o=this.sampleValues,a=this.valueSize,l=e*a,c=l-a,u=(i-t)/(s-t),h=1-u;for(let f=0;f!==a;++f)r[f]=o[c+f]*h+o[l+f]*u;return r}},Qo=class extends oi{constructor(e,t,i,s){super(e,t,i,s)}interpolate_(e){return this.copySampleValue_(e-1)}},ea=class extends oi{interpolate_(e,t,i,s){let r=this.resultBuffer,o=this.sampleValues,a=this.valueSize,l=e*a,c=l-a,u=this.inTangents,h=this.outTangents;if(!u||!h){let m=(i-t)/(s-t),y=1-m;for(let g=0;g!==a;++g)r[g]=o[c+g]*y+o[l+g]*m;return r}let f=a*2,d=e-1;for(let m=0;m!==a;++m){let y=o[c+m],g=o[l+m],p=d*f+m*2,x=h[p],b=h[p+1],S=e*f+m*2,E=u[S],T=u[S+1],_=r_(i,t,x,E,s);r[m]=Hd(_,y,b,T,g)}return r}};function Hd(n,e,t,i,s){let r=1-n;return r*r*r*e+3*r*r*n*t+3*r*n*n*i+n*n*n*s}function s_(n,e,t,i,s){let r=1-n;return 3*r*r*(t-e)+6*r*n*(i-t)+3*n*n*(s-i)}function r_(n,e,t,i,s){let r=(n-e)/(s-e);for(let o=0;o<8;o++){let a=Hd(r,e,t,i,s)-n;if(Math.abs(a)<1e-10)break;let l=s_(r,e,t,i,s);if(Math.abs(l)<1e-10)break;r=Math.max(0,Math.min(1,r-a/l))}return r}var qt=class{constructor(e,t,i,s){if(e===void 0)throw new Error("THREE.KeyframeTrack: track name is undefined");if(t===void 0||t.length===0)throw new Error("THREE.KeyframeTrack: no keyframes in track named "+e);this.name=e,this.times=Qi(t,this.TimeBufferType),this.values=Qi(i,this.ValueBufferType),this.setInterpolation(s||this.DefaultInterpolation)}static toJSON(e){let t=e.constructor,i;if(t.toJSON!==this.toJSON)i=t.toJSON(e);else{i={name:e.name,times:Qi(e.times,Array),values:Qi(e.values,Array)};let s=e.getInterpolation();s!==e.DefaultInterpolation&&(i.interpolation=s),Eo(e.settings)&&(i.settings={inTangents:Qi(e.settings.inTangents,Array),outTangents:Qi(e.settings.outTangents,Array)})}return i.type=e.ValueTypeName,i}InterpolantFactoryMethodDiscrete(e){return new Qo(this.times,this.values,this.getValueSize(),e)}InterpolantFactoryMethodLinear(e){return new jo(this.times,this.values,this.getValueSize(),e)}InterpolantFactoryMethodSmooth(e){return new Ko(this.times,this.values,this.getValueSize(),e)}InterpolantFactoryMethodBezier(e){let t=new ea(this.times,this.values,this.getValueSize(),e);return this.settings&&(t.inTangents=this.settings.inTangents,t.outTangents=this.settings.outTangents),t}setInterpolation(e){let t;switch(e){case Vs:t=this.InterpolantFactoryMethodDiscrete;break;case zo:t=this.InterpolantFactoryMethodLinear;break;case Co:t=this.InterpolantFactoryMethodSmooth;break;case Sc:t=this.InterpolantFactoryMethodBezier;break}if(t===void 0){let i="unsupported interpolation for "+this.ValueTypeName+" keyframe track named "+this.name;if(this.createInterpolant===void 0)if(e!==this.DefaultInterpolation)this.setInterpolation(this.DefaultInterpolation);else throw new Error(i);return Ce("KeyframeTrack:",i),this}return this.createInterpolant=t,this}getInterpolation(){switch(this.createInterpolant){case this.InterpolantFactoryMethodDiscrete:return Vs;case this.InterpolantFactoryMethodLinear:return zo;case this.InterpolantFactoryMethodSmooth:return Co;case this.InterpolantFactoryMethodBezier:return Sc}}getValueSize(){return this.values.length/this.times.length}shift(e){if(e!==0){let t=this.times;for(let i=0,s=t.length;i!==s;++i)t[i]+=e;Eo(this.settings)&&(td(this.settings.inTangents,e),td(this.settings.outTangents,e))}return this}scale(e){if(e!==1){let t=this.times;for(let i=0,s=t.length;i!==s;++i)t[i]*=e;Eo(this.settings)&&(nd(this.settings.inTangents,e),nd(this.settings.outTangents,e))}return this}trim(e,t){let i=this.times,s=i.length,r=0,o=s-1;for(;r!==s&&i[r]<e;)++r;for(;o!==-1&&i[o]>t;)--o;if(++o,r!==0||o!==s){r>=o&&(o=Math.max(o,1),r=o-1);let a=this.getValueSize();this.times=i.slice(r,o),this.values=this.values.slice(r*a,o*a)}return this}validate(){let e=!0,t=this.getValueSize();t-Math.floor(t)!==0&&(Ie("KeyframeTrack: Invalid value size in track.",this),e=!1);let i=this.times,s=this.values,r=i.length;r===0&&(Ie("KeyframeTrack: Track is empty.",this),e=!1);let o=null;for(let a=0;a!==r;a++){let l=i[a];if(typeof l=="number"&&isNaN(l)){Ie("KeyframeTrack: Time is not a valid number.",this,a,l),e=!1;break}if(o!==null&&o>l){Ie("KeyframeTrack: Out of order keys.",this,a,l,o),e=!1;break}o=l}if(s!==void 0&&Ng(s))for(let a=0,l=s.length;a!==l;++a){let c=s[a];if(isNaN(c)){Ie("KeyframeTrack: Value is not a valid number.",this,a,c),e=!1;break}}return e}optimize(){let e=this.times.slice(),t=this.values.slice(),i=this.getValueSize(),s=this.getInterpolation()===Co,r=e.length-1,o=1;for(let a=1;a<r;++a){let l=!1,c=e[a],u=e[a+1];if(c!==u&&(a!==1||c!==e[0]))if(s)l=!0;else{let h=a*i,f=h-i,d=h+i;for(let m=0;m!==i;++m){let y=t[h+m];if(y!==t[f+m]||y!==t[d+m]){l=!0;break}}}if(l){if(a!==o){e[o]=e[a];let h=a*i,f=o*i;for(let d=0;d!==i;++d)t[f+d]=t[h+d]}++o}}if(r>0){e[o]=e[r];for(let a=r*i,l=o*i,c=0;c!==i;++c)t[l+c]=t[a+c];++o}return o!==e.length?(this.times=e.slice(0,o),this.values=t.slice(0,o*i)):(this.times=e,this.values=t),this}clone(){let e=this.times.slice(),t=this.values.slice(),i=this.constructor,s=new i(this.name,e,t);return s.createInterpolant=this.createInterpolant,Eo(this.settings)&&(s.settings={inTangents:this.settings.inTangents.slice(),outTangents:this.settings.outTangents.slice()}),s}};function td(n,e){for(let t=0,i=n.length;t!==i;t+=2)n[t]+=e}function nd(n,e){for(let t=0,i=n.length;t!==i;t+=2)n[t]*=e}qt.prototype.ValueTypeName="";qt.prototype.TimeBufferType=Float32Array;qt.prototype.ValueBufferType=Float32Array;qt.prototype.DefaultInterpolation=zo;var ai=class extends qt{constructor(e,t,i){super(e,t,i)}};ai.prototype.ValueTypeName="bool";ai.prototype.ValueBufferType=Array;ai.prototype.DefaultInterpolation=Vs;ai.prototype.InterpolantFactoryMethodLinear=void 0;ai.prototype.InterpolantFactoryMethodSmooth=void 0;var ta=class extends qt{constructor(e,t,i,s){super(e,t,i,s)}};ta.prototype.ValueTypeName="color";var na=class extends qt{constructor(e,t,i,s){super(e,t,i,s)}};na.prototype.ValueTypeName="number";var ia=class extends oi{constructor(e,t,i,s){super(e,t,i,s)}interpolate_(e,t,i,s){let r=this.resultBuffer,o=this.sampleValues,a=this.valueSize,l=(i-t)/(s-t),c=e*a;for(let u=c+a;c!==u;c+=4)bn.slerpFlat(r,0,o,c-a,o,c,l);return r}},tr=class extends qt{constructor(e,t,i,s){super(e,t,i,s)}InterpolantFactoryMethodLinear(e){return new ia(this.times,this.values,this.getValueSize(),e)}};tr.prototype.ValueTypeName="quaternion";tr.prototype.InterpolantFactoryMethodSmooth=void 0;var li=class extends qt{constructor(e,t,i){super(e,t,i)}};li.prototype.ValueTypeName="string";li.prototype.ValueBufferType=Array;li.prototype.DefaultInterpolation=Vs;li.prototype.InterpolantFactoryMethodLinear=void 0;li.prototype.InterpolantFactoryMethodSmooth=void 0;var sa=class extends qt{constructor(e,t,i,s){super(e,t,i,s)}};sa.prototype.ValueTypeName="vector";var ra=class{constructor(e,t,i){let s=this,r=!1,o=0,a=0,l,c=[];this.onStart=void 0,this.onLoad=e,this.onProgress=t,this.onError=i,this._abortController=null,this.itemStart=function(u){a++,r===!1&&s.onStart!==void 0&&s.onStart(u,o,a),r=!0},this.itemEnd=function(u){o++,s.onProgress!==void 0&&s.onProgress(u,o,a),o===a&&(r=!1,s.onLoad!==void 0&&s.onLoad())},this.itemError=function(u){s.onError!==void 0&&s.onError(u)},this.resolveURL=function(u){return u=u.normalize("NFC"),l?l(u):u},this.setURLModifier=function(u){return l=u,this},this.addHandler=function(u,h){return c.push(u,h),this},this.removeHandler=function(u){let h=c.indexOf(u);return h!==-1&&c.splice(h,2),this},this.getHandler=function(u){for(let h=0,f=c.length;h<f;h+=2){let d=c[h],m=c[h+1];if(d.global&&(d.lastIndex=0),d.test(u))return m}return null},this.abort=function(){return this.abortController.abort(),this._abortController=null,this}}get abortController(){return this._abortController||(this._abortController=new AbortController),this._abortController}},Wd=new ra,oa=class{constructor(e){this.manager=e!==void 0?e:Wd,this.crossOrigin="anonymous",this.withCredentials=!1,this.path="",this.resourcePath="",this.requestHeader={},this.priority="auto",this.cache="default",typeof __THREE_DEVTOOLS__<"u"&&__THREE_DEVTOOLS__.dispatchEvent(new CustomEvent("observe",{detail:this}))}load(){}loadAsync(e,t){let i=this;return new Promise(function(s,r){i.load(e,s,t,r)})}parse(){}setCrossOrigin(e){return this.crossOrigin=e,this}setWithCredentials(e){return this.withCredentials=e,this}setPath(e){return this.path=e,this}setResourcePath(e){return this.resourcePath=e,this}setRequestHeader(e){return this.requestHeader=e,this}setPriority(e){return this.priority=e,this}setCache(e){return this.cache=e,this}abort(){return this}};oa.DEFAULT_MATERIAL_NAME="__DEFAULT";var To=new V,Ro=new bn,vn=new V,Ii=class extends sn{constructor(){super(),this.isCamera=!0,this.type="Camera",this.matrixWorldInverse=new nt,this.projectionMatrix=new nt,this.projectionMatrixInverse=new nt,this.coordinateSystem=tn,this._reversedDepth=!1}get reversedDepth(){return this._reversedDepth}copy(e,t){return super.copy(e,t),this.matrixWorldInverse.copy(e.matrixWorldInverse),this.projectionMatrix.copy(e.projectionMatrix),this.projectionMatrixInverse.copy(e.projectionMatrixInverse),this.coordinateSystem=e.coordinateSystem,this}getWorldDirection(e){return super.getWorldDirection(e).negate()}updateMatrixWorld(e){super.updateMatrixWorld(e),this.matrixWorld.decompose(To,Ro,vn),vn.x===1&&vn.y===1&&vn.z===1?this.matrixWorldInverse.copy(this.matrixWorld).invert():this.matrixWorldInverse.compose(To,Ro,vn.set(1,1,1)).invert()}updateWorldMatrix(e,t,i=!1){super.updateWorldMatrix(e,t,i),this.matrixWorld.decompose(To,Ro,vn),vn.x===1&&vn.y===1&&vn.z===1?this.matrixWorldInverse.copy(this.matrixWorld).invert():this.matrixWorldInverse.compose(To,Ro,vn.set(1,1,1)).invert()}clone(){return new this.constructor().copy(this)}},ni=new V,id=new qe,sd=new qe,Xt=class extends Ii{constructor(e=50,t=1,i=.1,s=2e3){super(),this.isPerspectiveCamera=!0,this.type="PerspectiveCamera",this.fov=e,this.zoom=1,this.near=i,this.far=s,this.focus=10,this.aspect=t,this.view=null,this.filmGauge=35,this.filmOffset=0,this.updateProjectionMatrix()}copy(e,t){return super.copy(e,t),this.fov=e.fov,this.zoom=e.zoom,this.near=e.near,this.far=e.far,this.focus=e.focus,this.aspect=e.aspect,this.view=e.view===null?null:Object.assign({},e.view),this.filmGauge=e.filmGauge,this.filmOffset=e.filmOffset,this}setFocalLength(e){let t=.5*this.getFilmHeight()/e;this.fov=Go*2*Math.atan(t),this.updateProjectionMatrix()}getFocalLength(){let e=Math.tan(tc*.5*this.fov);return .5*this.getFilmHeight()/e}getEffectiveFOV(){return Go*2*Math.atan(Math.tan(tc*.5*this.fov)/this.zoom)}getFilmWidth(){return this.filmGauge*Math.min(this.aspect,1)}getFilmHeight(){return this.filmGauge/Math.max(this.aspect,1)}getViewBounds(e,t,i){ni.set(-1,-1,.5).applyMatrix4(this.projectionMatrixInverse),t.set(ni.x,ni.y).multiplyScalar(-e/ni.z),ni.set(1,1,.5).applyMatrix4(this.projectionMatrixInverse),i.set(ni.x,ni.y).multiplyScalar(-e/ni.z)}getViewSize(e,t){return this.getViewBounds(e,id,sd),t.subVectors(sd,id)}setViewOffset(e,t,i,s,r,o){this.aspect=e/t,this.view===null&&(this.view={enabled:!0,fullWidth:1,fullHeight:1,offsetX:0,offsetY:0,width:1,height:1}),this.view.enabled=!0,this.view.fullWidth=e,this.view.fullHeight=t,this.view.offsetX=i,this.view.offsetY=s,this.view.width=r,this.view.height=o,this.updateProjectionMatrix()}clearViewOffset(){this.view!==null&&(this.view.enabled=!1),this.updateProjectionMatrix()}updateProjectionMatrix(){let e=this.near,t=e*Math.tan(tc*.5*this.fov)/this.zoom,i=2*t,s=this.aspect*i,r=-.5*s,o=this.view;if(this.view!==null&&this.view.enabled){let l=o.fullWidth,c=o.fullHeight;r+=o.offsetX*s/l,t-=o.offsetY*i/c,s*=o.width/l,i*=o.height/c}let a=this.filmOffset;a!==0&&(r+=e*a/this.getFilmWidth()),this.projectionMatrix.makePerspective(r,r+s,t,t-i,e,this.far,this.coordinateSystem,this.reversedDepth),this.projectionMatrixInverse.copy(this.projectionMatrix).invert()}toJSON(e){let t=super.toJSON(e);return t.object.fov=this.fov,t.object.zoom=this.zoom,t.object.near=this.near,t.object.far=this.far,t.object.focus=this.focus,t.object.aspect=this.aspect,this.view!==null&&(t.object.view=Object.assign({},this.view)),t.object.filmGauge=this.filmGauge,t.object.filmOffset=this.filmOffset,t}};var hs=class extends Ii{constructor(e=-1,t=1,i=1,s=-1,r=.1,o=2e3){super(),this.isOrthographicCamera=!0,this.type="OrthographicCamera",this.zoom=1,this.view=null,this.left=e,this.right=t,this.top=i,this.bottom=s,this.near=r,this.far=o,this.updateProjectionMatrix()}copy(e,t){return super.copy(e,t),this.left=e.left,this.right=e.right,this.top=e.top,this.bottom=e.bottom,this.near=e.near,this.far=e.far,this.zoom=e.zoom,this.view=e.view===null?null:Object.assign({},e.view),this}setViewOffset(e,t,i,s,r,o){this.view===null&&(this.view={enabled:!0,fullWidth:1,fullHeight:1,offsetX:0,offsetY:0,width:1,height:1}),this.view.enabled=!0,this.view.fullWidth=e,this.view.fullHeight=t,this.view.offsetX=i,this.view.offsetY=s,this.view.width=r,this.view.height=o,this.updateProjectionMatrix()}clearViewOffset(){this.view!==null&&(this.view.enabled=!1),this.updateProjectionMatrix()}updateProjectionMatrix(){let e=(this.right-this.left)/(2*this.zoom),t=(this.top-this.bottom)/(2*this.zoom),i=(this.right+this.left)/2,s=(this.top+this.bottom)/2,r=i-e,o=i+e,a=s+t,l=s-t;if(this.view!==null&&this.view.enabled){let c=(this.right-this.left)/this.view.fullWidth/this.zoom,u=(this.top-this.bottom)/this.view.fullHeight/this.zoom;r+=c*this.view.offsetX,o=r+c*this.view.width,a-=u*this.view.offsetY,l=a-u*this.view.height}this.projectionMatrix.makeOrthographic(r,o,a,l,this.near,this.far,this.coordinateSystem,this.reversedDepth),this.projectionMatrixInverse.copy(this.projectionMatrix).invert()}toJSON(e){let t=super.toJSON(e);return t.object.zoom=this.zoom,t.object.left=this.left,t.object.right=this.right,t.object.top=this.top,t.object.bottom=this.bottom,t.object.near=this.near,t.object.far=this.far,this.view!==null&&(t.object.view=Object.assign({},this.view)),t}};var es=-90,ts=1,fs=class extends sn{constructor(e,t,i){super(),this.type="CubeCamera",this.renderTarget=i,this.coordinateSystem=null,this.activeMipmapLevel=0;let s=new Xt(es,ts,e,t);s.layers=this.layers,this.add(s);let r=new Xt(es,ts,e,t);r.layers=this.layers,this.add(r);let o=new Xt(es,ts,e,t);o.layers=this.layers,this.add(o);let a=new Xt(es,ts,e,t);a.layers=this.layers,this.add(a);let l=new Xt(es,ts,e,t);l.layers=this.layers,this.add(l);let c=new Xt(es,ts,e,t);c.layers=this.layers,this.add(c)}updateCoordinateSystem(){let e=this.coordinateSystem,t=this.children.concat(),[i,s,r,o,a,l]=t;for(let c of t)this.remove(c);if(e===tn)i.up.set(0,1,0),i.lookAt(1,0,0),s.up.set(0,1,0),s.lookAt(-1,0,0),r.up.set(0,0,-1),r.lookAt(0,1,0),o.up.set(0,0,1),o.lookAt(0,-1,0),a.up.set(0,1,0),a.lookAt(0,0,1),l.up.set(0,1,0),l.lookAt(0,0,-1);else if(e===Xs)i.up.set(0,-1,0),i.lookAt(-1,0,0),s.up.set(0,-1,0),s.lookAt(1,0,0),r.up.set(0,0,1),r.lookAt(0,1,0),o.up.set(0,0,-1),o.lookAt(0,-1,0),a.up.set(0,-1,0),a.lookAt(0,0,1),l.up.set(0,-1,0),l.lookAt(0,0,-1);else throw new Error("THREE.CubeCamera.updateCoordinateSystem(): Invalid coordinate system: "+e);for(let c of t)this.add(c),c.updateMatrixWorld()}update(e,t){this.parent===null&&this.updateMatrixWorld();let{renderTarget:i,activeMipmapLevel:s}=this;this.coordinateSystem!==e.coordinateSystem&&(this.coordinateSystem=e.coordinateSystem,this.updateCoordinateSystem());let[r,o,a,l,c,u]=this.children,h=e.getRenderTarget(),f=e.getActiveCubeFace(),d=e.getActiveMipmapLevel(),m=e.xr.enabled;e.xr.enabled=!1;let y=i.texture.mipmapsAutoUpdate;i.texture.mipmapsAutoUpdate=!1;let g=!1;e.isWebGLRenderer===!0?g=e.state.buffers.depth.getReversed():g=e.reversedDepthBuffer,e.setRenderTarget(i,0,s),g&&e.autoClear===!1&&e.clearDepth(),e.render(t,r),e.setRenderTarget(i,1,s),g&&e.autoClear===!1&&e.clearDepth(),e.render(t,o),e.setRenderTarget(i,2,s),g&&e.autoClear===!1&&e.clearDepth(),e.render(t,a),e.setRenderTarget(i,3,s),g&&e.autoClear===!1&&e.clearDepth(),e.render(t,l),e.setRenderTarget(i,4,s),g&&e.autoClear===!1&&e.clearDepth(),e.render(t,c),i.texture.mipmapsAutoUpdate=y,e.setRenderTarget(i,5,s),g&&e.autoClear===!1&&e.clearDepth(),e.render(t,u),e.setRenderTarget(h,f,d),e.xr.enabled=m,i.texture.needsPMREMUpdate=!0}},aa=class extends Xt{constructor(e=[]){super(),this.isArrayCamera=!0,this.isMultiViewCamera=!1,this.cameras=e,this.perCameraFrustumCulled=!1}};var iu="\\[\\]\\.:\\/",o_=new RegExp("["+iu+"]","g"),su="[^"+iu+"]",a_="[^"+iu.replace("\\.","")+"]",l_=/((?:WC+[\/:])*)/.source.replace("WC",su),c_=/(WCOD+)?/.source.replace("WCOD",a_),u_=/(?:\.(WC+)(?:\[(.+)\])?)?/.source.replace("WC",su),h_=/\.(WC+)(?:\[(.+)\])?/.source.replace("WC",su),f_=new RegExp("^"+l_+c_+u_+h_+"$"),d_=["material","materials","bones","map"],Tc=class{constructor(e,t,i){let s=i||tt.parseTrackName(t);this._targetGroup=e,this._bindings=e.subscribe_(t,s)}getValue(e,t){this.bind();let i=this._targetGroup.nCachedObjects_,s=this._bindings[i];s!==void 0&&s.getValue(e,t)}setValue(e,t){let i=this._bindings;for(let s=this._targetGroup.nCachedObjects_,r=i.length;s!==r;++s)i[s].setValue(e,t)}bind(){let e=this._bindings;for(let t=this._targetGroup.nCachedObjects_,i=e.length;t!==i;++t)e[t].bind()}unbind(){let e=this._bindings;for(let t=this._targetGroup.nCachedObjects_,i=e.length;t!==i;++t)e[t].unbind()}},tt=class n{constructor(e,t,i){this.path=t,this.parsedPath=i||n.parseTrackName(t),this.node=n.findNode(e,this.parsedPath.nodeName),this.rootNode=e,this.getValue=this._getValue_unbound,this.setValue=this._setValue_unbound}static create(e,t,i){return e&&e.isAnimationObjectGroup?new n.Composite(e,t,i):new n(e,t,i)}static sanitizeNodeName(e){return e.replace(/\s/g,"_").replace(o_,"")}static parseTrackName(e){let t=f_.exec(e);if(t===null)throw new Error("THREE.PropertyBinding: Cannot parse trackName: "+e);let i={nodeName:t[2],objectName:t[3],objectIndex:t[4],propertyName:t[5],propertyIndex:t[6]},s=i.nodeName&&i.nodeName.lastIndexOf(".");if(s!==void 0&&s!==-1){let r=i.nodeName.substring(s+1);d_.indexOf(r)!==-1&&(i.nodeName=i.nodeName.substring(0,s),i.objectName=r)}if(i.propertyName===null||i.propertyName.length===0)throw new Error("THREE.PropertyBinding: can not parse propertyName from trackName: "+e);return i}static findNode(e,t){if(t===void 0||t===""||t==="."||t===-1||t===e.name||t===e.uuid)return e;if(e.skeleton){let i=e.skeleton.getBoneByName(t);if(i!==void 0)return i}if(e.children){let i=function(r){for(let o=0;o<r.length;o++){let a=r[o];if(a.name===t||a.uuid===t)return a;let l=i(a.children);if(l)return l}return null},s=i(e.children);if(s)return s}return null}_getValue_unavailable(){}_setValue_unavailable(){}_getValue_direct(e,t){e[t]=this.targetObject[this.propertyName]}_getValue_array(e,t){let i=this.resolvedProperty;for(let s=0,r=i.length;s!==r;++s)e[t++]=i[s]}_getValue_arrayElement(e,t){e[t]=this.resolvedProperty[this.propertyIndex]}_getValue_toArray(e,t){this.resolvedProperty.toArray(e,t)}_setValue_direct(e,t){this.targetObject[this.propertyName]=e[t]}_setValue_direct_setNeedsUpdate(e,t){this.targetObject[this.propertyName]=e[t],this.targetObject.needsUpdate=!0}_setValue_direct_setMatrixWorldNeedsUpdate(e,t){this.targetObject[this.propertyName]=e[t],this.targetObject.matrixWorldNeedsUpdate=!0}_setValue_array(e,t){let i=this.resolvedProperty;for(let s=0,r=i.length;s!==r;++s)i[s]=e[t++]}_setValue_array_setNeedsUpdate(e,t){let i=this.resolvedProperty;for(let s=0,r=i.length;s!==r;++s)i[s]=e[t++];this.targetObject.needsUpdate=!0}_setValue_array_setMatrixWorldNeedsUpdate(e,t){let i=this.resolvedProperty;for(let s=0,r=i.length;s!==r;++s)i[s]=e[t++];this.targetObject.matrixWorldNeedsUpdate=!0}_setValue_arrayElement(e,t){this.resolvedProperty[this.propertyIndex]=e[t]}_setValue_arrayElement_setNeedsUpdate(e,t){this.resolvedProperty[this.propertyIndex]=e[t],this.targetObject.needsUpdate=!0}_setValue_arrayElement_setMatrixWorldNeedsUpdate(e,t){this.resolvedProperty[this.propertyIndex]=e[t],this.targetObject.matrixWorldNeedsUpdate=!0}_setValue_fromArray(e,t){this.resolvedProperty.fromArray(e,t)}_setValue_fromArray_setNeedsUpdate(e,t){this.resolvedProperty.fromArray(e,t),this.targetObject.needsUpdate=!0}_setValue_fromArray_setMatrixWorldNeedsUpdate(e,t){this.resolvedProperty.fromArray(e,t),this.targetObject.matrixWorldNeedsUpdate=!0}_getValue_unbound(e,t){this.bind(),this.getValue(e,t)}_setValue_unbound(e,t){this.bind(),this.setValue(e,t)}bind(){let e=this.node,t=this.parsedPath,i=t.objectName,s=t.propertyName,r=t.propertyIndex;if(e||(e=n.findNode(this.rootNode,t.nodeName),this.node=e),this.getValue=this._getValue_unavailable,this.setValue=this._setValue_unavailable,!e){Ce("PropertyBinding: No target node found for track: "+this.path+".");return}if(i){let c=t.objectIndex;switch(i){case"materials":if(!e.material){Ie("PropertyBinding: Can not bind to material as node does not have a material.",this);return}if(!e.material.materials){Ie("PropertyBinding: Can not bind to material.materials as node.material does not have a materials array.",this);return}e=e.material.materials;break;case"bones":if(!e.skeleton){Ie("PropertyBinding: Can not bind to bones as node does not have a skeleton.",this);return}e=e.skeleton.bones;for(let u=0;u<e.length;u++)if(e[u].name===c){c=u;break}break;case"map":if("map"in e){e=e.map;break}if(!e.material){Ie("PropertyBinding: Can not bind to material as node does not have a material.",this);return}if(!e.material.map){Ie("PropertyBinding: Can not bind to material.map as node.material does not have a map.",this);return}e=e.material.map;break;default:if(e[i]===void 0){Ie("PropertyBinding: Can not bind to objectName of node undefined.",this);return}e=e[i]}if(c!==void 0){if(e[c]===void 0){Ie("PropertyBinding: Trying to bind to objectIndex of objectName, but is undefined.",this,e);return}e=e[c]}}let o=e[s];if(o===void 0){let c=t.nodeName;Ie("PropertyBinding: Trying to update property for track: "+c+"."+s+" but it wasn't found.",e);return}let a=this.Versioning.None;this.targetObject=e,e.isMaterial===!0?a=this.Versioning.NeedsUpdate:e.isObject3D===!0&&(a=this.Versioning.MatrixWorldNeedsUpdate);let l=this.BindingType.Direct;if(r!==void 0){if(s==="morphTargetInfluences"){if(!e.geometry){Ie("PropertyBinding: Can not bind to morphTargetInfluences because node does not have a geometry.",this);return}if(!e.geometry.morphAttributes){Ie("PropertyBinding: Can not bind to morphTargetInfluences because node does not have a geometry.morphAttributes.",this);return}e.morphTargetDictionary[r]!==void 0&&(r=e.morphTargetDictionary[r])}l=this.BindingType.ArrayElement,this.resolvedProperty=o,this.propertyIndex=r}else o.fromArray!==void 0&&o.toArray!==void 0?(l=this.BindingType.HasFromToArray,this.resolvedProperty=o):Array.isArray(o)?(l=this.BindingType.EntireArray,this.resolvedProperty=o):this.propertyName=s;this.getValue=this.GetterByBindingType[l],this.setValue=this.SetterByBindingTypeAndVersioning[l][a]}unbind(){this.node=null,this.getValue=this._getValue_unbound,this.setValue=this._setValue_unbound}};tt.Composite=Tc;tt.prototype.BindingType={Direct:0,EntireArray:1,ArrayElement:2,HasFromToArray:3};tt.prototype.Versioning={None:0,NeedsUpdate:1,MatrixWorldNeedsUpdate:2};tt.prototype.GetterByBindingType=[tt.prototype._getValue_direct,tt.prototype._getValue_array,tt.prototype._getValue_arrayElement,tt.prototype._getValue_toArray];tt.prototype.SetterByBindingTypeAndVersioning=[[tt.prototype._setValue_direct,tt.prototype._setValue_direct_setNeedsUpdate,tt.prototype._setValue_direct_setMatrixWorldNeedsUpdate],[tt.prototype._setValue_array,tt.prototype._setValue_array_setNeedsUpdate,tt.prototype._setValue_array_setMatrixWorldNeedsUpdate],[tt.prototype._setValue_arrayElement,tt.prototype._setValue_arrayElement_setNeedsUpdate,tt.prototype._setValue_arrayElement_setMatrixWorldNeedsUpdate],[tt.prototype._setValue_fromArray,tt.prototype._setValue_fromArray_setNeedsUpdate,tt.prototype._setValue_fromArray_setMatrixWorldNeedsUpdate]];var rw=new Float32Array(1);var Rc=class{static{this.prototype.isMatrix2=!0}constructor(e,t,i,s){this.elements=[1,0,0,1],e!==void 0&&this.set(e,t,i,s)}identity(){return this.set(1,0,0,1),this}fromArray(e,t=0){for(let i=0;i<4;i++)this.elements[i]=e[i+t];return this}set(e,t,i,s){let r=this.elements;return r[0]=e,r[2]=t,r[1]=i,r[3]=s,this}};function ru(n,e,t,i){let s=p_(i);switch(t){case $c:return n*e;case or:return n*e/s.components*s.byteLength;case ma:return n*e/s.components*s.byteLength;case ui:return n*e*2/s.components*s.byteLength;case ga:return n*e*2/s.components*s.byteLength;case Yc:return n*e*3/s.components*s.byteLength;case gn:return n*e*4/s.components*s.byteLength;case _a:return n*e*4/s.components*s.byteLength;case ar:case lr:return Math.floor((n+3)/4)*Math.floor((e+3)/4)*8;case cr:case ur:return Math.floor((n+3)/4)*Math.floor((e+3)/4)*16;case xa:case Ma:return Math.max(n,16)*Math.max(e,8)/4;case ya:case va:return Math.max(n,8)*Math.max(e,8)/2;case Sa:case ba:case Aa:case Ea:return Math.floor((n+3)/4)*Math.floor((e+3)/4)*8;case wa:case hr:case Ta:return Math.floor((n+3)/4)*Math.floor((e+3)/4)*16;case Ra:return Math.floor((n+3)/4)*Math.floor((e+3)/4)*16;case Ca:return Math.floor((n+4)/5)*Math.floor((e+3)/4)*16;case Ia:return Math.floor((n+4)/5)*Math.floor((e+4)/5)*16;case Pa:return Math.floor((n+5)/6)*Math.floor((e+4)/5)*16;case La:return Math.floor((n+5)/6)*Math.floor((e+5)/6)*16;case Na:return Math.floor((n+7)/8)*Math.floor((e+4)/5)*16;case Da:return Math.floor((n+7)/8)*Math.floor((e+5)/6)*16;case Ua:return Math.floor((n+7)/8)*Math.floor((e+7)/8)*16;case Fa:return Math.floor((n+9)/10)*Math.floor((e+4)/5)*16;case Oa:return Math.floor((n+9)/10)*Math.floor((e+5)/6)*16;case Ba:return Math.floor((n+9)/10)*Math.floor((e+7)/8)*16;case ka:return Math.floor((n+9)/10)*Math.floor((e+9)/10)*16;case za:return Math.floor((n+11)/12)*Math.floor((e+9)/10)*16;case Ga:return Math.floor((n+11)/12)*Math.floor((e+11)/12)*16;case Va:case Ha:case Wa:return Math.ceil(n/4)*Math.ceil(e/4)*16;case Xa:case qa:return Math.ceil(n/4)*Math.ceil(e/4)*8;case fr:case $a:return Math.ceil(n/4)*Math.ceil(e/4)*16}throw new Error(`Unable to determine texture byte length for ${t} format.`)}function p_(n){switch(n){case $t:case Hc:return{byteLength:1,components:1};case gs:case Wc:case Zt:return{byteLength:2,components:1};case da:case pa:return{byteLength:2,components:4};case mn:case fa:case Yt:return{byteLength:4,components:1};case Xc:case qc:return{byteLength:4,components:3}}throw new Error(`THREE.TextureUtils: Unknown texture type ${n}.`)}typeof __THREE_DEVTOOLS__<"u"&&__THREE_DEVTOOLS__.dispatchEvent(new CustomEvent("register",{detail:{revision:"187"}}));typeof window<"u"&&(window.__THREE__?Ce("WARNING: Multiple instances of Three.js being imported."):window.__THREE__="187");function fp(){let n=null,e=!1,t=null,i=null;function s(r,o){i=n.requestAnimationFrame(s),t(r,o)}return{start:function(){e!==!0&&t!==null&&n!==null&&(i=n.requestAnimationFrame(s),e=!0)},stop:function(){n!==null&&n.cancelAnimationFrame(i),e=!1},setAnimationLoop:function(r){t=r},setContext:function(r){n=r}}}function g_(n){let e=new WeakMap;function t(a,l){let c=a.array,u=a.usage,h=c.byteLength,f=n.createBuffer();n.bindBuffer(l,f),n.bufferData(l,c,u),a.onUploadCallback();let d;if(c instanceof Float32Array)d=n.FLOAT;else if(typeof Float16Array<"u"&&c instanceof Float16Array)d=n.HALF_FLOAT;else if(c instanceof Uint16Array)a.isFloat16BufferAttribute?d=n.HALF_FLOAT:d=n.UNSIGNED_SHORT;else if(c instanceof Int16Array)d=n.SHORT;else if(c instanceof Uint32Array)d=n.UNSIGNED_INT;else if(c instanceof Int32Array)d=n.INT;else if(c instanceof Int8Array)d=n.BYTE;else if(c instanceof Uint8Array)d=n.UNSIGNED_BYTE;else if(c instanceof Uint8ClampedArray)d=n.UNSIGNED_BYTE;else throw new Error("THREE.WebGLAttributes: Unsupported buffer data format: "+c);return{buffer:f,type:d,bytesPerElement:c.BYTES_PER_ELEMENT,version:a.version,size:h}}function i(a,l,c){let u=l.array,h=l.updateRanges;if(n.bindBuffer(c,a),h.length===0)n.bufferSubData(c,0,u);else{h.sort((d,m)=>d.start-m.start);let f=0;for(let d=1;d<h.length;d++){let m=h[f],y=h[d];y.start<=m.start+m.count+1?m.count=Math.max(m.count,y.start+y.count-m.start):(++f,h[f]=y)}h.length=f+1;for(let d=0,m=h.length;d<m;d++){let y=h[d];n.bufferSubData(c,y.start*u.BYTES_PER_ELEMENT,u,y.start,y.count)}l.clearUpdateRanges()}l.onUploadCallback()}function s(a){return a.isInterleavedBufferAttribute&&(a=a.data),e.get(a)}function r(a){a.isInterleavedBufferAttribute&&(a=a.data);let l=e.get(a);l&&(n.deleteBuffer(l.buffer),e.delete(a))}function o(a,l){if(a.isInterleavedBufferAttribute&&(a=a.data),a.isGLBufferAttribute){let u=e.get(a);(!u||u.version<a.version)&&e.set(a,{buffer:a.buffer,type:a.type,bytesPerElement:a.elementSize,version:a.version});return}let c=e.get(a);if(c===void 0)e.set(a,t(a,l));else if(c.version<a.version){if(c.size!==a.array.byteLength)throw new Error("THREE.WebGLAttributes: The size of the buffer attribute's array buffer does not match the original size. Resizing buffer attributes is not supported.");i(c.buffer,a,l),c.version=a.version}}return{get:s,remove:r,update:o}}var __=`#ifdef USE_ALPHAHASH
	if ( diffuseColor.a < getAlphaHashThreshold( vPosition ) ) discard;
#endif`,y_=`#ifdef USE_ALPHAHASH
	const float ALPHA_HASH_SCALE = 0.05;
	float hash2D( vec2 value ) {
		return fract( 1.0e4 * sin( 17.0 * value.x + 0.1 * value.y ) * ( 0.1 + abs( sin( 13.0 * value.y + value.x ) ) ) );
	}
	float hash3D( vec3 value ) {
		return hash2D( vec2( hash2D( value.xy ), value.z ) );
	}
	float getAlphaHashThreshold( vec3 position ) {
		float maxDeriv = max(
			length( dFdx( position.xyz ) ),
			length( dFdy( position.xyz ) )
		);
		float pixScale = 1.0 / ( ALPHA_HASH_SCALE * maxDeriv );
		vec2 pixScales = vec2(
			exp2( floor( log2( pixScale ) ) ),
			exp2( ceil( log2( pixScale ) ) )
		);
		vec2 alpha = vec2(
			hash3D( floor( pixScales.x * position.xyz ) ),
			hash3D( floor( pixScales.y * position.xyz ) )
		);
		float lerpFactor = fract( log2( pixScale ) );
		float x = ( 1.0 - lerpFactor ) * alpha.x + lerpFactor * alpha.y;
		float a = min( lerpFactor, 1.0 - lerpFactor );
		vec3 cases = vec3(
			x * x / ( 2.0 * a * ( 1.0 - a ) ),
			( x - 0.5 * a ) / ( 1.0 - a ),
			1.0 - ( ( 1.0 - x ) * ( 1.0 - x ) / ( 2.0 * a * ( 1.0 - a ) ) )
		);
		float threshold = ( x < ( 1.0 - a ) )
			? ( ( x < a ) ? cases.x : cases.y )
			: cases.z;
		return clamp( threshold , 1.0e-6, 1.0 );
	}
#endif`,x_=`#ifdef USE_ALPHAMAP
	diffuseColor.a *= texture2D( alphaMap, vAlphaMapUv ).g;
#endif`,v_=`#ifdef USE_ALPHAMAP
	uniform sampler2D alphaMap;
#endif`,M_=`#ifdef USE_ALPHATEST
	#ifdef ALPHA_TO_COVERAGE
	diffuseColor.a = smoothstep( alphaTest, alphaTest + fwidth( diffuseColor.a ), diffuseColor.a );
	if ( diffuseColor.a == 0.0 ) discard;
	#else
	if ( diffuseColor.a < alphaTest ) discard;
	#endif
#endif`,S_=`#ifdef USE_ALPHATEST
	uniform float alphaTest;
#endif`,b_=`#ifdef USE_AOMAP
	float ambientOcclusion = ( texture2D( aoMap, vAoMapUv ).r - 1.0 ) * aoMapIntensity + 1.0;
	reflectedLight.indirectDiffuse *= ambientOcclusion;
	#if defined( USE_CLEARCOAT ) 
		clearcoatSpecularIndirect *= ambientOcclusion;
	#endif
	#if defined( USE_SHEEN ) 
		sheenSpecularIndirect *= ambientOcclusion;
	#endif
	#if defined( USE_ENVMAP ) && defined( STANDARD )
		float dotNV = saturate( dot( geometryNormal, geometryViewDir ) );
		reflectedLight.indirectSpecular *= computeSpecularOcclusion( dotNV, ambientOcclusion, material.roughness );
	#endif
#endif`,w_=`#ifdef USE_AOMAP
	uniform sampler2D aoMap;
	uniform float aoMapIntensity;
#endif`,A_=`#ifdef USE_BATCHING
	#if ! defined( GL_ANGLE_multi_draw )
	#define gl_DrawID _gl_DrawID
	uniform int _gl_DrawID;
	#endif
	uniform highp sampler2D batchingTexture;
	uniform highp usampler2D batchingIdTexture;
	mat4 getBatchingMatrix( const in float i ) {
		int size = textureSize( batchingTexture, 0 ).x;
		int j = int( i ) * 4;
		int x = j % size;
		int y = j / size;
		vec4 v1 = texelFetch( batchingTexture, ivec2( x, y ), 0 );
		vec4 v2 = texelFetch( batchingTexture, ivec2( x + 1, y ), 0 );
		vec4 v3 = texelFetch( batchingTexture, ivec2( x + 2, y ), 0 );
		vec4 v4 = texelFetch( batchingTexture, ivec2( x + 3, y ), 0 );
		return mat4( v1, v2, v3, v4 );
	}
	float getIndirectIndex( const in int i ) {
		int size = textureSize( batchingIdTexture, 0 ).x;
		int x = i % size;
		int y = i / size;
		return float( texelFetch( batchingIdTexture, ivec2( x, y ), 0 ).r );
	}
#endif
#ifdef USE_BATCHING_COLOR
	uniform sampler2D batchingColorTexture;
	vec4 getBatchingColor( const in float i ) {
		int size = textureSize( batchingColorTexture, 0 ).x;
		int j = int( i );
		int x = j % size;
		int y = j / size;
		return texelFetch( batchingColorTexture, ivec2( x, y ), 0 );
	}
#endif`,E_=`#ifdef USE_BATCHING
	mat4 batchingMatrix = getBatchingMatrix( getIndirectIndex( gl_DrawID ) );
#endif`,T_=`vec3 transformed = vec3( position );
#ifdef USE_ALPHAHASH
	vPosition = vec3( position );
#endif`,R_=`vec3 objectNormal = vec3( normal );
#ifdef USE_TANGENT
	vec3 objectTangent = vec3( tangent.xyz );
#endif`,C_=`float G_BlinnPhong_Implicit( ) {
	return 0.25;
}
float D_BlinnPhong( const in float shininess, const in float dotNH ) {
	return RECIPROCAL_PI * ( shininess * 0.5 + 1.0 ) * pow( dotNH, shininess );
}
vec3 BRDF_BlinnPhong( const in vec3 lightDir, const in vec3 viewDir, const in vec3 normal, const in vec3 specularColor, const in float shininess ) {
	vec3 halfDir = normalize( lightDir + viewDir );
	float dotNH = saturate( dot( normal, halfDir ) );
	float dotVH = saturate( dot( viewDir, halfDir ) );
	vec3 F = F_Schlick( specularColor, 1.0, dotVH );
	float G = G_BlinnPhong_Implicit( );
	float D = D_BlinnPhong( shininess, dotNH );
	return F * ( G * D );
} // validated`,I_=`#ifdef USE_IRIDESCENCE
	const mat3 XYZ_TO_REC709 = mat3(
		 3.2404542, -0.9692660,  0.0556434,
		-1.5371385,  1.8760108, -0.2040259,
		-0.4985314,  0.0415560,  1.0572252
	);
	vec3 Fresnel0ToIor( vec3 fresnel0 ) {
		vec3 sqrtF0 = sqrt( fresnel0 );
		return ( vec3( 1.0 ) + sqrtF0 ) / ( vec3( 1.0 ) - sqrtF0 );
	}
	vec3 IorToFresnel0( vec3 transmittedIor, float incidentIor ) {
		return pow2( ( transmittedIor - vec3( incidentIor ) ) / ( transmittedIor + vec3( incidentIor ) ) );
	}
	float IorToFresnel0( float transmittedIor, float incidentIor ) {
		return pow2( ( transmittedIor - incidentIor ) / ( transmittedIor + incidentIor ));
	}
	vec3 evalSensitivity( float OPD, vec3 shift ) {
		float phase = 2.0 * PI * OPD * 1.0e-9;
		vec3 val = vec3( 5.4856e-13, 4.4201e-13, 5.2481e-13 );
		vec3 pos = vec3( 1.6810e+06, 1.7953e+06, 2.2084e+06 );
		vec3 var = vec3( 4.3278e+09, 9.3046e+09, 6.6121e+09 );
		vec3 xyz = val * sqrt( 2.0 * PI * var ) * cos( pos * phase + shift ) * exp( - pow2( phase ) * var );
		xyz.x += 9.7470e-14 * sqrt( 2.0 * PI * 4.5282e+09 ) * cos( 2.2399e+06 * phase + shift[ 0 ] ) * exp( - 4.5282e+09 * pow2( phase ) );
		xyz /= 1.0685e-7;
		vec3 rgb = XYZ_TO_REC709 * xyz;
		return rgb;
	}
	vec3 evalIridescence( float outsideIOR, float eta2, float cosTheta1, float thinFilmThickness, vec3 baseF0 ) {
		vec3 I;
		float iridescenceIOR = mix( outsideIOR, eta2, smoothstep( 0.0, 0.03, thinFilmThickness ) );
		float sinTheta2Sq = pow2( outsideIOR / iridescenceIOR ) * ( 1.0 - pow2( cosTheta1 ) );
		float cosTheta2Sq = 1.0 - sinTheta2Sq;
		if ( cosTheta2Sq < 0.0 ) {
			return vec3( 1.0 );
		}
		float cosTheta2 = sqrt( cosTheta2Sq );
		float R0 = IorToFresnel0( iridescenceIOR, outsideIOR );
		float R12 = F_Schlick( R0, 1.0, cosTheta1 );
		float T121 = 1.0 - R12;
		float phi12 = 0.0;
		if ( iridescenceIOR < outsideIOR ) phi12 = PI;
		float phi21 = PI - phi12;
		vec3 baseIOR = Fresnel0ToIor( clamp( baseF0, 0.0, 0.9999 ) );		vec3 R1 = IorToFresnel0( baseIOR, iridescenceIOR );
		vec3 R23 = F_Schlick( R1, 1.0, cosTheta2 );
		vec3 phi23 = vec3( 0.0 );
		if ( baseIOR[ 0 ] < iridescenceIOR ) phi23[ 0 ] = PI;
		if ( baseIOR[ 1 ] < iridescenceIOR ) phi23[ 1 ] = PI;
		if ( baseIOR[ 2 ] < iridescenceIOR ) phi23[ 2 ] = PI;
		float OPD = 2.0 * iridescenceIOR * thinFilmThickness * cosTheta2;
		vec3 phi = vec3( phi21 ) + phi23;
		vec3 R123 = clamp( R12 * R23, 1e-5, 0.9999 );
		vec3 r123 = sqrt( R123 );
		vec3 Rs = pow2( T121 ) * R23 / ( vec3( 1.0 ) - R123 );
		vec3 C0 = R12 + Rs;
		I = C0;
		vec3 Cm = Rs - T121;
		for ( int m = 1; m <= 2; ++ m ) {
			Cm *= r123;
			vec3 Sm = 2.0 * evalSensitivity( float( m ) * OPD, float( m ) * phi );
			I += Cm * Sm;
		}
		return max( I, vec3( 0.0 ) );
	}
#endif`,P_=`#ifdef USE_BUMPMAP
	uniform sampler2D bumpMap;
	uniform float bumpScale;
	vec2 dHdxy_fwd() {
		vec2 dSTdx = dFdx( vBumpMapUv );
		vec2 dSTdy = dFdy( vBumpMapUv );
		float Hll = bumpScale * texture2D( bumpMap, vBumpMapUv ).x;
		float dBx = bumpScale * texture2D( bumpMap, vBumpMapUv + dSTdx ).x - Hll;
		float dBy = bumpScale * texture2D( bumpMap, vBumpMapUv + dSTdy ).x - Hll;
		return vec2( dBx, dBy );
	}
	vec3 perturbNormalArb( vec3 surf_pos, vec3 surf_norm, vec2 dHdxy, float faceDirection ) {
		vec3 vSigmaX = normalize( dFdx( surf_pos.xyz ) );
		vec3 vSigmaY = normalize( dFdy( surf_pos.xyz ) );
		vec3 vN = surf_norm;
		vec3 R1 = cross( vSigmaY, vN );
		vec3 R2 = cross( vN, vSigmaX );
		float fDet = dot( vSigmaX, R1 ) * faceDirection;
		vec3 vGrad = sign( fDet ) * ( dHdxy.x * R1 + dHdxy.y * R2 );
		return normalize( abs( fDet ) * surf_norm - vGrad );
	}
#endif`,L_=`#if NUM_CLIPPING_PLANES > 0
	vec4 plane;
	#ifdef ALPHA_TO_COVERAGE
		float distanceToPlane, distanceGradient;
		float clipOpacity = 1.0;
		#pragma unroll_loop_start
		for ( int i = 0; i < UNION_CLIPPING_PLANES; i ++ ) {
			plane = clippingPlanes[ i ];
			distanceToPlane = - dot( vClipPosition, plane.xyz ) + plane.w;
			distanceGradient = fwidth( distanceToPlane ) / 2.0;
			clipOpacity *= smoothstep( - distanceGradient, distanceGradient, distanceToPlane );
			if ( clipOpacity == 0.0 ) discard;
		}
		#pragma unroll_loop_end
		#if UNION_CLIPPING_PLANES < NUM_CLIPPING_PLANES
			float unionClipOpacity = 1.0;
			#pragma unroll_loop_start
			for ( int i = UNION_CLIPPING_PLANES; i < NUM_CLIPPING_PLANES; i ++ ) {
				plane = clippingPlanes[ i ];
				distanceToPlane = - dot( vClipPosition, plane.xyz ) + plane.w;
				distanceGradient = fwidth( distanceToPlane ) / 2.0;
				unionClipOpacity *= 1.0 - smoothstep( - distanceGradient, distanceGradient, distanceToPlane );
			}
			#pragma unroll_loop_end
			clipOpacity *= 1.0 - unionClipOpacity;
		#endif
		diffuseColor.a *= clipOpacity;
		if ( diffuseColor.a == 0.0 ) discard;
	#else
		#pragma unroll_loop_start
		for ( int i = 0; i < UNION_CLIPPING_PLANES; i ++ ) {
			plane = clippingPlanes[ i ];
			if ( dot( vClipPosition, plane.xyz ) > plane.w ) discard;
		}
		#pragma unroll_loop_end
		#if UNION_CLIPPING_PLANES < NUM_CLIPPING_PLANES
			bool clipped = true;
			#pragma unroll_loop_start
			for ( int i = UNION_CLIPPING_PLANES; i < NUM_CLIPPING_PLANES; i ++ ) {
				plane = clippingPlanes[ i ];
				clipped = ( dot( vClipPosition, plane.xyz ) > plane.w ) && clipped;
			}
			#pragma unroll_loop_end
			if ( clipped ) discard;
		#endif
	#endif
#endif`,N_=`#if NUM_CLIPPING_PLANES > 0
	varying vec3 vClipPosition;
	uniform vec4 clippingPlanes[ NUM_CLIPPING_PLANES ];
#endif`,D_=`#if NUM_CLIPPING_PLANES > 0
	varying vec3 vClipPosition;
#endif`,U_=`#if NUM_CLIPPING_PLANES > 0
	vClipPosition = - mvPosition.xyz;
#endif`,F_=`#if defined( USE_COLOR ) || defined( USE_COLOR_ALPHA )
	diffuseColor *= vColor;
#endif`,O_=`#if defined( USE_COLOR ) || defined( USE_COLOR_ALPHA )
	varying vec4 vColor;
#endif`,B_=`#if defined( USE_COLOR ) || defined( USE_COLOR_ALPHA ) || defined( USE_INSTANCING_COLOR ) || defined( USE_BATCHING_COLOR )
	varying vec4 vColor;
#endif`,k_=`#if defined( USE_COLOR ) || defined( USE_COLOR_ALPHA ) || defined( USE_INSTANCING_COLOR ) || defined( USE_BATCHING_COLOR )
	vColor = vec4( 1.0 );
#endif
#ifdef USE_COLOR_ALPHA
	vColor *= color;
#elif defined( USE_COLOR )
	vColor.rgb *= color;
#endif
#ifdef USE_INSTANCING_COLOR
	vColor.rgb *= instanceColor.rgb;
#endif
#ifdef USE_BATCHING_COLOR
	vColor *= getBatchingColor( getIndirectIndex( gl_DrawID ) );
#endif`,z_=`#define PI 3.141592653589793
#define PI2 6.283185307179586
#define PI_HALF 1.5707963267948966
#define RECIPROCAL_PI 0.3183098861837907
#define RECIPROCAL_PI2 0.15915494309189535
#define EPSILON 1e-6
#ifndef saturate
#define saturate( a ) clamp( a, 0.0, 1.0 )
#endif
#define whiteComplement( a ) ( 1.0 - saturate( a ) )
float pow2( const in float x ) { return x*x; }
vec3 pow2( const in vec3 x ) { return x*x; }
float pow3( const in float x ) { return x*x*x; }
float pow4( const in float x ) { float x2 = x*x; return x2*x2; }
float max3( const in vec3 v ) { return max( max( v.x, v.y ), v.z ); }
float average( const in vec3 v ) { return dot( v, vec3( 0.3333333 ) ); }
highp float rand( const in vec2 uv ) {
	const highp float a = 12.9898, b = 78.233, c = 43758.5453;
	highp float dt = dot( uv.xy, vec2( a,b ) ), sn = mod( dt, PI );
	return fract( sin( sn ) * c );
}
#ifdef HIGH_PRECISION
	float precisionSafeLength( vec3 v ) { return length( v ); }
#else
	float precisionSafeLength( vec3 v ) {
		float maxComponent = max3( abs( v ) );
		return length( v / maxComponent ) * maxComponent;
	}
#endif
struct IncidentLight {
	vec3 color;
	vec3 direction;
	bool visible;
};
struct ReflectedLight {
	vec3 directDiffuse;
	vec3 directSpecular;
	vec3 indirectDiffuse;
	vec3 indirectSpecular;
};
#ifdef USE_ALPHAHASH
	varying vec3 vPosition;
#endif
vec3 transformDirection( in vec3 dir, in mat4 matrix ) {
	return normalize( ( matrix * vec4( dir, 0.0 ) ).xyz );
}
#define inverseTransformDirection transformDirectionByInverseViewMatrix
vec3 transformNormalByInverseViewMatrix( in vec3 normal, in mat4 viewMatrix ) {
	return normalize( ( vec4( normal, 0.0 ) * viewMatrix ).xyz );
}
vec3 transformDirectionByInverseViewMatrix( in vec3 dir, in mat4 viewMatrix ) {
	return normalize( ( vec4( dir, 0.0 ) * viewMatrix ).xyz );
}
bool isPerspectiveMatrix( mat4 m ) {
	return m[ 2 ][ 3 ] == - 1.0;
}
vec2 equirectUv( in vec3 dir ) {
	float u = atan( dir.z, dir.x ) * RECIPROCAL_PI2 + 0.5;
	float v = asin( clamp( dir.y, - 1.0, 1.0 ) ) * RECIPROCAL_PI + 0.5;
	return vec2( u, v );
}
vec3 BRDF_Lambert( const in vec3 diffuseColor ) {
	return RECIPROCAL_PI * diffuseColor;
}
vec3 F_Schlick( const in vec3 f0, const in float f90, const in float dotVH ) {
	float fresnel = exp2( ( - 5.55473 * dotVH - 6.98316 ) * dotVH );
	return f0 * ( 1.0 - fresnel ) + ( f90 * fresnel );
}
float F_Schlick( const in float f0, const in float f90, const in float dotVH ) {
	float fresnel = exp2( ( - 5.55473 * dotVH - 6.98316 ) * dotVH );
	return f0 * ( 1.0 - fresnel ) + ( f90 * fresnel );
} // validated`,G_=`vec3 transformedNormal = objectNormal;
#ifdef USE_TANGENT
	vec3 transformedTangent = objectTangent;
#endif
#ifdef USE_BATCHING
	mat3 bm = mat3( batchingMatrix );
	transformedNormal /= vec3( dot( bm[ 0 ], bm[ 0 ] ), dot( bm[ 1 ], bm[ 1 ] ), dot( bm[ 2 ], bm[ 2 ] ) );
	transformedNormal = bm * transformedNormal;
	#ifdef USE_TANGENT
		transformedTangent = bm * transformedTangent;
	#endif
#endif
#ifdef USE_INSTANCING
	mat3 im = mat3( instanceMatrix );
	transformedNormal /= vec3( dot( im[ 0 ], im[ 0 ] ), dot( im[ 1 ], im[ 1 ] ), dot( im[ 2 ], im[ 2 ] ) );
	transformedNormal = im * transformedNormal;
	#ifdef USE_TANGENT
		transformedTangent = im * transformedTangent;
	#endif
#endif
transformedNormal = normalMatrix * transformedNormal;
#ifdef FLIP_SIDED
	transformedNormal = - transformedNormal;
#endif
#ifdef USE_TANGENT
	transformedTangent = ( modelViewMatrix * vec4( transformedTangent, 0.0 ) ).xyz;
#endif`,V_=`#ifdef USE_DISPLACEMENTMAP
	uniform sampler2D displacementMap;
	uniform float displacementScale;
	uniform float displacementBias;
#endif`,H_=`#ifdef USE_DISPLACEMENTMAP
	transformed += normalize( objectNormal ) * ( texture2D( displacementMap, vDisplacementMapUv ).x * displacementScale + displacementBias );
#endif`,W_=`#ifdef USE_EMISSIVEMAP
	vec4 emissiveColor = texture2D( emissiveMap, vEmissiveMapUv );
	#ifdef DECODE_VIDEO_TEXTURE_EMISSIVE
		emissiveColor = sRGBTransferEOTF( emissiveColor );
	#endif
	totalEmissiveRadiance *= emissiveColor.rgb;
#endif`,X_=`#ifdef USE_EMISSIVEMAP
	uniform sampler2D emissiveMap;
#endif`,q_="gl_FragColor = linearToOutputTexel( gl_FragColor );",$_=`vec4 LinearTransferOETF( in vec4 value ) {
	return value;
}
vec4 sRGBTransferEOTF( in vec4 value ) {
	return vec4( mix( pow( value.rgb * 0.9478672986 + vec3( 0.0521327014 ), vec3( 2.4 ) ), value.rgb * 0.0773993808, vec3( lessThanEqual( value.rgb, vec3( 0.04045 ) ) ) ), value.a );
}
vec4 sRGBTransferOETF( in vec4 value ) {
	return vec4( mix( pow( value.rgb, vec3( 0.41666 ) ) * 1.055 - vec3( 0.055 ), value.rgb * 12.92, vec3( lessThanEqual( value.rgb, vec3( 0.0031308 ) ) ) ), value.a );
}`,Y_=`#ifdef USE_ENVMAP
	#ifdef ENV_WORLDPOS
		vec3 cameraToFrag;
		if ( isOrthographic ) {
			cameraToFrag = normalize( vec3( - viewMatrix[ 0 ][ 2 ], - viewMatrix[ 1 ][ 2 ], - viewMatrix[ 2 ][ 2 ] ) );
		} else {
			cameraToFrag = normalize( vWorldPosition - cameraPosition );
		}
		vec3 worldNormal = transformNormalByInverseViewMatrix( normal, viewMatrix );
		#ifdef ENVMAP_MODE_REFLECTION
			vec3 reflectVec = reflect( cameraToFrag, worldNormal );
		#else
			vec3 reflectVec = refract( cameraToFrag, worldNormal, refractionRatio );
		#endif
	#else
		vec3 reflectVec = vReflect;
	#endif
	#ifdef ENVMAP_TYPE_CUBE
		vec4 envColor = textureCube( envMap, envMapRotation * reflectVec );
		#ifdef ENVMAP_BLENDING_MULTIPLY
			outgoingLight = mix( outgoingLight, outgoingLight * envColor.xyz, specularStrength * reflectivity );
		#elif defined( ENVMAP_BLENDING_MIX )
			outgoingLight = mix( outgoingLight, envColor.xyz, specularStrength * reflectivity );
		#elif defined( ENVMAP_BLENDING_ADD )
			outgoingLight += envColor.xyz * specularStrength * reflectivity;
		#endif
	#endif
#endif`,Z_=`#ifdef USE_ENVMAP
	uniform float envMapIntensity;
	uniform mat3 envMapRotation;
	uniform samplerCube envMap;
	#ifdef ENVMAP_TYPE_PMREM
		float roughnessToMip( const in float roughness ) {
			float r = clamp( roughness, 0.0, 1.0 );
			return ENVMAP_MAX_LOD * r * ( 2.0 - r );
		}
	#endif
#endif`,J_=`#ifdef USE_ENVMAP
	uniform float reflectivity;
	#if defined( USE_BUMPMAP ) || defined( USE_NORMALMAP ) || defined( PHONG ) || defined( LAMBERT )
		#define ENV_WORLDPOS
	#endif
	#ifdef ENV_WORLDPOS
		varying vec3 vWorldPosition;
		uniform float refractionRatio;
	#else
		varying vec3 vReflect;
	#endif
#endif`,K_=`#ifdef USE_ENVMAP
	#if defined( USE_BUMPMAP ) || defined( USE_NORMALMAP ) || defined( PHONG ) || defined( LAMBERT )
		#define ENV_WORLDPOS
	#endif
	#ifdef ENV_WORLDPOS
		
		varying vec3 vWorldPosition;
	#else
		varying vec3 vReflect;
		uniform float refractionRatio;
	#endif
#endif`,j_=`#ifdef USE_ENVMAP
	#ifdef ENV_WORLDPOS
		vWorldPosition = worldPosition.xyz;
	#else
		vec3 cameraToVertex;
		if ( isOrthographic ) {
			cameraToVertex = normalize( vec3( - viewMatrix[ 0 ][ 2 ], - viewMatrix[ 1 ][ 2 ], - viewMatrix[ 2 ][ 2 ] ) );
		} else {
			cameraToVertex = normalize( worldPosition.xyz - cameraPosition );
		}
		vec3 worldNormal = transformNormalByInverseViewMatrix( transformedNormal, viewMatrix );
		#ifdef ENVMAP_MODE_REFLECTION
			vReflect = reflect( cameraToVertex, worldNormal );
		#else
			vReflect = refract( cameraToVertex, worldNormal, refractionRatio );
		#endif
	#endif
#endif`,Q_=`#ifdef USE_FOG
	vFogDepth = - mvPosition.z;
#endif`,e0=`#ifdef USE_FOG
	varying float vFogDepth;
#endif`,t0=`#ifdef USE_FOG
	#ifdef FOG_EXP2
		float fogFactor = 1.0 - exp( - fogDensity * fogDensity * vFogDepth * vFogDepth );
	#else
		float fogFactor = smoothstep( fogNear, fogFar, vFogDepth );
	#endif
	gl_FragColor.rgb = mix( gl_FragColor.rgb, fogColor, fogFactor );
#endif`,n0=`#ifdef USE_FOG
	uniform vec3 fogColor;
	varying float vFogDepth;
	#ifdef FOG_EXP2
		uniform float fogDensity;
	#else
		uniform float fogNear;
		uniform float fogFar;
	#endif
#endif`,i0=`#ifdef USE_GRADIENTMAP
	uniform sampler2D gradientMap;
#endif
vec3 getGradientIrradiance( vec3 normal, vec3 lightDirection ) {
	float dotNL = dot( normal, lightDirection );
	vec2 coord = vec2( dotNL * 0.5 + 0.5, 0.0 );
	#ifdef USE_GRADIENTMAP
		return vec3( texture2D( gradientMap, coord ).r );
	#else
		vec2 fw = fwidth( coord ) * 0.5;
		return mix( vec3( 0.7 ), vec3( 1.0 ), smoothstep( 0.7 - fw.x, 0.7 + fw.x, coord.x ) );
	#endif
}`,s0=`#ifdef USE_LIGHTMAP
	uniform sampler2D lightMap;
	uniform float lightMapIntensity;
#endif`,r0=`LambertMaterial material;
material.diffuseColor = diffuseColor.rgb;
material.specularStrength = specularStrength;`,o0=`varying vec3 vViewPosition;
struct LambertMaterial {
	vec3 diffuseColor;
	float specularStrength;
};
void RE_Direct_Lambert( const in IncidentLight directLight, const in vec3 geometryPosition, const in vec3 geometryNormal, const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in LambertMaterial material, inout ReflectedLight reflectedLight ) {
	float dotNL = saturate( dot( geometryNormal, directLight.direction ) );
	vec3 irradiance = dotNL * directLight.color;
	reflectedLight.directDiffuse += irradiance * BRDF_Lambert( material.diffuseColor );
}
void RE_IndirectDiffuse_Lambert( const in vec3 irradiance, const in vec3 geometryPosition, const in vec3 geometryNormal, const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in LambertMaterial material, inout ReflectedLight reflectedLight ) {
	reflectedLight.indirectDiffuse += irradiance * BRDF_Lambert( material.diffuseColor );
}
#define RE_Direct				RE_Direct_Lambert
#define RE_IndirectDiffuse		RE_IndirectDiffuse_Lambert`,a0=`uniform bool receiveShadow;
uniform vec3 ambientLightColor;
#if defined( USE_LIGHT_PROBES )
	uniform vec3 lightProbe[ 9 ];
#endif
vec3 shGetIrradianceAt( in vec3 normal, in vec3 shCoefficients[ 9 ] ) {
	float x = normal.x, y = normal.y, z = normal.z;
	vec3 result = shCoefficients[ 0 ] * 0.886227;
	result += shCoefficients[ 1 ] * 2.0 * 0.511664 * y;
	result += shCoefficients[ 2 ] * 2.0 * 0.511664 * z;
	result += shCoefficients[ 3 ] * 2.0 * 0.511664 * x;
	result += shCoefficients[ 4 ] * 2.0 * 0.429043 * x * y;
	result += shCoefficients[ 5 ] * 2.0 * 0.429043 * y * z;
	result += shCoefficients[ 6 ] * ( 0.743125 * z * z - 0.247708 );
	result += shCoefficients[ 7 ] * 2.0 * 0.429043 * x * z;
	result += shCoefficients[ 8 ] * 0.429043 * ( x * x - y * y );
	return result;
}
vec3 getLightProbeIrradiance( const in vec3 lightProbe[ 9 ], const in vec3 normal ) {
	vec3 worldNormal = transformNormalByInverseViewMatrix( normal, viewMatrix );
	vec3 irradiance = shGetIrradianceAt( worldNormal, lightProbe );
	return irradiance;
}
vec3 getAmbientLightIrradiance( const in vec3 ambientLightColor ) {
	vec3 irradiance = ambientLightColor;
	return irradiance;
}
float getDistanceAttenuation( const in float lightDistance, const in float cutoffDistance, const in float decayExponent ) {
	float distanceFalloff = 1.0 / max( pow( lightDistance, decayExponent ), 0.01 );
	if ( cutoffDistance > 0.0 ) {
		distanceFalloff *= pow2( saturate( 1.0 - pow4( lightDistance / cutoffDistance ) ) );
	}
	return distanceFalloff;
}
float getSpotAttenuation( const in float coneCosine, const in float penumbraCosine, const in float angleCosine ) {
	return smoothstep( coneCosine, penumbraCosine, angleCosine );
}
#if NUM_SUN_LIGHTS > 0
	struct SunLight {
		vec3 direction;
		vec3 color;
	};
	uniform SunLight sunLights[ NUM_SUN_LIGHTS ];
	void getSunLightInfo( const in SunLight sunLight, out IncidentLight light ) {
		light.color = sunLight.color;
		light.direction = sunLight.direction;
		light.visible = true;
	}
#endif
#if NUM_DIR_LIGHTS > 0
	struct DirectionalLight {
		vec3 direction;
		vec3 color;
	};
	uniform DirectionalLight directionalLights[ NUM_DIR_LIGHTS ];
	void getDirectionalLightInfo( const in DirectionalLight directionalLight, out IncidentLight light ) {
		light.color = directionalLight.color;
		light.direction = directionalLight.direction;
		light.visible = true;
	}
#endif
#if NUM_POINT_LIGHTS > 0
	struct PointLight {
		vec3 position;
		vec3 color;
		float distance;
		float decay;
	};
	uniform PointLight pointLights[ NUM_POINT_LIGHTS ];
	void getPointLightInfo( const in PointLight pointLight, const in vec3 geometryPosition, out IncidentLight light ) {
		vec3 lVector = pointLight.position - geometryPosition;
		light.direction = normalize( lVector );
		float lightDistance = length( lVector );
		light.color = pointLight.color;
		light.color *= getDistanceAttenuation( lightDistance, pointLight.distance, pointLight.decay );
		light.visible = ( light.color != vec3( 0.0 ) );
	}
#endif
#if NUM_SPOT_LIGHTS > 0
	struct SpotLight {
		vec3 position;
		vec3 direction;
		vec3 color;
		float distance;
		float decay;
		float coneCos;
		float penumbraCos;
	};
	uniform SpotLight spotLights[ NUM_SPOT_LIGHTS ];
	void getSpotLightInfo( const in SpotLight spotLight, const in vec3 geometryPosition, out IncidentLight light ) {
		vec3 lVector = spotLight.position - geometryPosition;
		light.direction = normalize( lVector );
		float angleCos = dot( light.direction, spotLight.direction );
		float spotAttenuation = getSpotAttenuation( spotLight.coneCos, spotLight.penumbraCos, angleCos );
		if ( spotAttenuation > 0.0 ) {
			float lightDistance = length( lVector );
			light.color = spotLight.color * spotAttenuation;
			light.color *= getDistanceAttenuation( lightDistance, spotLight.distance, spotLight.decay );
			light.visible = ( light.color != vec3( 0.0 ) );
		} else {
			light.color = vec3( 0.0 );
			light.visible = false;
		}
	}
#endif
#if NUM_RECT_AREA_LIGHTS > 0
	struct RectAreaLight {
		vec3 color;
		vec3 position;
		vec3 halfWidth;
		vec3 halfHeight;
	};
	uniform sampler2D ltc_1;	uniform sampler2D ltc_2;
	uniform RectAreaLight rectAreaLights[ NUM_RECT_AREA_LIGHTS ];
#endif
#if NUM_HEMI_LIGHTS > 0
	struct HemisphereLight {
		vec3 direction;
		vec3 skyColor;
		vec3 groundColor;
	};
	uniform HemisphereLight hemisphereLights[ NUM_HEMI_LIGHTS ];
	vec3 getHemisphereLightIrradiance( const in HemisphereLight hemiLight, const in vec3 normal ) {
		float dotNL = dot( normal, hemiLight.direction );
		float hemiDiffuseWeight = 0.5 * dotNL + 0.5;
		vec3 irradiance = mix( hemiLight.groundColor, hemiLight.skyColor, hemiDiffuseWeight );
		return irradiance;
	}
#endif
#include <lightprobes_pars_fragment>`,l0=`#ifdef USE_ENVMAP
	vec3 getIBLIrradiance( const in vec3 normal ) {
		#ifdef ENVMAP_TYPE_PMREM
			vec3 worldNormal = transformNormalByInverseViewMatrix( normal, viewMatrix );
			vec4 envMapColor = textureLod( envMap, envMapRotation * worldNormal, ENVMAP_MAX_LOD );
			return PI * envMapColor.rgb * envMapIntensity;
		#else
			return vec3( 0.0 );
		#endif
	}
	vec3 getIBLRadiance( const in vec3 viewDir, const in vec3 normal, const in float roughness ) {
		#ifdef ENVMAP_TYPE_PMREM
			vec3 reflectVec = reflect( - viewDir, normal );
			reflectVec = normalize( mix( reflectVec, normal, pow4( roughness ) ) );
			reflectVec = transformDirectionByInverseViewMatrix( reflectVec, viewMatrix );
			vec4 envMapColor = textureLod( envMap, envMapRotation * reflectVec, roughnessToMip( roughness ) );
			return envMapColor.rgb * envMapIntensity;
		#else
			return vec3( 0.0 );
		#endif
	}
	#ifdef USE_RETROREFLECTION
		vec3 getIBLRetroRadiance( const in vec3 viewDir, const in vec3 normal, const in float roughness ) {
			#ifdef ENVMAP_TYPE_PMREM
				vec3 retroVec = normalize( mix( viewDir, normal, pow4( roughness ) ) );
				retroVec = transformDirectionByInverseViewMatrix( retroVec, viewMatrix );
				vec4 envMapColor = textureLod( envMap, envMapRotation * retroVec, roughnessToMip( roughness ) );
				return envMapColor.rgb * envMapIntensity;
			#else
				return vec3( 0.0 );
			#endif
		}
	#endif
	#ifdef USE_ANISOTROPY
		vec3 getIBLAnisotropyRadiance( const in vec3 viewDir, const in vec3 normal, const in float roughness, const in vec3 bitangent, const in float anisotropy ) {
			#ifdef ENVMAP_TYPE_PMREM
				vec3 bentNormal = cross( bitangent, viewDir );
				bentNormal = normalize( cross( bentNormal, bitangent ) );
				bentNormal = normalize( mix( bentNormal, normal, pow2( pow2( 1.0 - anisotropy * ( 1.0 - roughness ) ) ) ) );
				return getIBLRadiance( viewDir, bentNormal, roughness );
			#else
				return vec3( 0.0 );
			#endif
		}
		#ifdef USE_RETROREFLECTION
			vec3 getIBLAnisotropyRetroRadiance( const in vec3 viewDir, const in vec3 normal, const in float roughness, const in vec3 bitangent, const in float anisotropy ) {
				#ifdef ENVMAP_TYPE_PMREM
					vec3 bentNormal = cross( bitangent, viewDir );
					bentNormal = normalize( cross( bentNormal, bitangent ) );
					bentNormal = normalize( mix( bentNormal, normal, pow2( pow2( 1.0 - anisotropy * ( 1.0 - roughness ) ) ) ) );
					return getIBLRetroRadiance( viewDir, bentNormal, roughness );
				#else
					return vec3( 0.0 );
				#endif
			}
		#endif
	#endif
#endif`,c0=`ToonMaterial material;
material.diffuseColor = diffuseColor.rgb;`,u0=`varying vec3 vViewPosition;
struct ToonMaterial {
	vec3 diffuseColor;
};
void RE_Direct_Toon( const in IncidentLight directLight, const in vec3 geometryPosition, const in vec3 geometryNormal, const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in ToonMaterial material, inout ReflectedLight reflectedLight ) {
	vec3 irradiance = getGradientIrradiance( geometryNormal, directLight.direction ) * directLight.color;
	reflectedLight.directDiffuse += irradiance * BRDF_Lambert( material.diffuseColor );
}
void RE_IndirectDiffuse_Toon( const in vec3 irradiance, const in vec3 geometryPosition, const in vec3 geometryNormal, const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in ToonMaterial material, inout ReflectedLight reflectedLight ) {
	reflectedLight.indirectDiffuse += irradiance * BRDF_Lambert( material.diffuseColor );
}
#define RE_Direct				RE_Direct_Toon
#define RE_IndirectDiffuse		RE_IndirectDiffuse_Toon`,h0=`BlinnPhongMaterial material;
material.diffuseColor = diffuseColor.rgb;
material.specularColor = specular;
material.specularShininess = shininess;
material.specularStrength = specularStrength;`,f0=`varying vec3 vViewPosition;
struct BlinnPhongMaterial {
	vec3 diffuseColor;
	vec3 specularColor;
	float specularShininess;
	float specularStrength;
};
void RE_Direct_BlinnPhong( const in IncidentLight directLight, const in vec3 geometryPosition, const in vec3 geometryNormal, const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in BlinnPhongMaterial material, inout ReflectedLight reflectedLight ) {
	float dotNL = saturate( dot( geometryNormal, directLight.direction ) );
	vec3 irradiance = dotNL * directLight.color;
	reflectedLight.directDiffuse += irradiance * BRDF_Lambert( material.diffuseColor );
	reflectedLight.directSpecular += irradiance * BRDF_BlinnPhong( directLight.direction, geometryViewDir, geometryNormal, material.specularColor, material.specularShininess ) * material.specularStrength;
}
void RE_IndirectDiffuse_BlinnPhong( const in vec3 irradiance, const in vec3 geometryPosition, const in vec3 geometryNormal, const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in BlinnPhongMaterial material, inout ReflectedLight reflectedLight ) {
	reflectedLight.indirectDiffuse += irradiance * BRDF_Lambert( material.diffuseColor );
}
#define RE_Direct				RE_Direct_BlinnPhong
#define RE_IndirectDiffuse		RE_IndirectDiffuse_BlinnPhong`,d0=`PhysicalMaterial material;
material.diffuseColor = diffuseColor.rgb;
material.diffuseContribution = diffuseColor.rgb * ( 1.0 - metalnessFactor );
material.metalness = metalnessFactor;
vec3 dxy = max( abs( dFdx( nonPerturbedNormal ) ), abs( dFdy( nonPerturbedNormal ) ) );
float geometryRoughness = max( max( dxy.x, dxy.y ), dxy.z );
material.roughness = max( roughnessFactor, 0.045 );
material.roughness += geometryRoughness;
material.roughness = min( material.roughness, 1.0 );
#ifdef USE_DIFFUSE_ROUGHNESS
	float diffuseRoughnessFactor = diffuseRoughness;
	#ifdef USE_DIFFUSE_ROUGHNESSMAP
		diffuseRoughnessFactor *= texture2D( diffuseRoughnessMap, vDiffuseRoughnessMapUv ).r;
	#endif
	material.diffuseRoughness = saturate( diffuseRoughnessFactor );
#endif
#ifdef IOR
	material.ior = ior;
	#ifdef USE_SPECULAR
		float specularIntensityFactor = specularIntensity;
		vec3 specularColorFactor = specularColor;
		#ifdef USE_SPECULAR_COLORMAP
			specularColorFactor *= texture2D( specularColorMap, vSpecularColorMapUv ).rgb;
		#endif
		#ifdef USE_SPECULAR_INTENSITYMAP
			specularIntensityFactor *= texture2D( specularIntensityMap, vSpecularIntensityMapUv ).a;
		#endif
		material.specularF90 = mix( specularIntensityFactor, 1.0, metalnessFactor );
	#else
		float specularIntensityFactor = 1.0;
		vec3 specularColorFactor = vec3( 1.0 );
		material.specularF90 = 1.0;
	#endif
	material.specularColor = min( pow2( ( material.ior - 1.0 ) / ( material.ior + 1.0 ) ) * specularColorFactor, vec3( 1.0 ) ) * specularIntensityFactor;
	material.specularColorBlended = mix( material.specularColor, diffuseColor.rgb, metalnessFactor );
#else
	material.specularColor = vec3( 0.04 );
	material.specularColorBlended = mix( material.specularColor, diffuseColor.rgb, metalnessFactor );
	material.specularF90 = 1.0;
#endif
#ifdef USE_CLEARCOAT
	material.clearcoat = clearcoat;
	material.clearcoatRoughness = clearcoatRoughness;
	material.clearcoatF0 = vec3( 0.04 );
	material.clearcoatF90 = 1.0;
	#ifdef USE_CLEARCOATMAP
		material.clearcoat *= texture2D( clearcoatMap, vClearcoatMapUv ).x;
	#endif
	#ifdef USE_CLEARCOAT_ROUGHNESSMAP
		material.clearcoatRoughness *= texture2D( clearcoatRoughnessMap, vClearcoatRoughnessMapUv ).y;
	#endif
	material.clearcoat = saturate( material.clearcoat );	material.clearcoatRoughness = max( material.clearcoatRoughness, 0.045 );
	material.clearcoatRoughness += geometryRoughness;
	material.clearcoatRoughness = min( material.clearcoatRoughness, 1.0 );
#endif
#ifdef USE_DISPERSION
	material.dispersion = dispersion;
#endif
#ifdef USE_RETROREFLECTION
	material.retroreflectivity = retroreflectivity;
#endif
#ifdef USE_IRIDESCENCE
	material.iridescence = iridescence;
	material.iridescenceIOR = iridescenceIOR;
	#ifdef USE_IRIDESCENCEMAP
		material.iridescence *= texture2D( iridescenceMap, vIridescenceMapUv ).r;
	#endif
	#ifdef USE_IRIDESCENCE_THICKNESSMAP
		material.iridescenceThickness = (iridescenceThicknessMaximum - iridescenceThicknessMinimum) * texture2D( iridescenceThicknessMap, vIridescenceThicknessMapUv ).g + iridescenceThicknessMinimum;
	#else
		material.iridescenceThickness = iridescenceThicknessMaximum;
	#endif
#endif
#ifdef USE_SHEEN
	material.sheenColor = sheenColor;
	#ifdef USE_SHEEN_COLORMAP
		material.sheenColor *= texture2D( sheenColorMap, vSheenColorMapUv ).rgb;
	#endif
	material.sheenRoughness = clamp( sheenRoughness, 0.0001, 1.0 );
	#ifdef USE_SHEEN_ROUGHNESSMAP
		material.sheenRoughness *= texture2D( sheenRoughnessMap, vSheenRoughnessMapUv ).a;
	#endif
#endif
#ifdef USE_ANISOTROPY
	#ifdef USE_ANISOTROPYMAP
		mat2 anisotropyMat = mat2( anisotropyVector.x, anisotropyVector.y, - anisotropyVector.y, anisotropyVector.x );
		vec3 anisotropyPolar = texture2D( anisotropyMap, vAnisotropyMapUv ).rgb;
		vec2 anisotropyV = anisotropyMat * normalize( 2.0 * anisotropyPolar.rg - vec2( 1.0 ) ) * anisotropyPolar.b;
	#else
		vec2 anisotropyV = anisotropyVector;
	#endif
	material.anisotropy = length( anisotropyV );
	if( material.anisotropy == 0.0 ) {
		anisotropyV = vec2( 1.0, 0.0 );
	} else {
		anisotropyV /= material.anisotropy;
		material.anisotropy = saturate( material.anisotropy );
	}
	material.alphaT = mix( pow2( material.roughness ), 1.0, pow2( material.anisotropy ) );
	material.anisotropyT = tbn[ 0 ] * anisotropyV.x + tbn[ 1 ] * anisotropyV.y;
	material.anisotropyB = tbn[ 1 ] * anisotropyV.x - tbn[ 0 ] * anisotropyV.y;
#endif`,p0=`uniform sampler2D dfgLUT;
struct PhysicalMaterial {
	vec3 diffuseColor;
	vec3 diffuseContribution;
	vec3 specularColor;
	vec3 specularColorBlended;
	float roughness;
	float metalness;
	float specularF90;
	float dispersion;
	vec2 dfg;
	vec3 multiScatteringCompensation;
	#ifdef USE_DIFFUSE_ROUGHNESS
		float diffuseRoughness;
	#endif
	#ifdef USE_RETROREFLECTION
		float retroreflectivity;
	#endif
	#ifdef USE_CLEARCOAT
		float clearcoat;
		float clearcoatRoughness;
		vec3 clearcoatF0;
		float clearcoatF90;
	#endif
	#ifdef USE_IRIDESCENCE
		float iridescence;
		float iridescenceIOR;
		float iridescenceThickness;
		vec3 iridescenceFresnel;
		vec3 iridescenceF0Dielectric;
		vec3 iridescenceF0Metallic;
	#endif
	#ifdef USE_SHEEN
		vec3 sheenColor;
		float sheenRoughness;
	#endif
	#ifdef IOR
		float ior;
	#endif
	#ifdef USE_TRANSMISSION
		float transmission;
		float transmissionAlpha;
		float thickness;
		float attenuationDistance;
		vec3 attenuationColor;
	#endif
	#ifdef USE_ANISOTROPY
		float anisotropy;
		float alphaT;
		vec3 anisotropyT;
		vec3 anisotropyB;
	#endif
};
vec3 clearcoatSpecularDirect = vec3( 0.0 );
vec3 clearcoatSpecularIndirect = vec3( 0.0 );
vec3 sheenSpecularDirect = vec3( 0.0 );
vec3 sheenSpecularIndirect = vec3(0.0 );
vec3 Schlick_to_F0( const in vec3 f, const in float f90, const in float dotVH ) {
    float x = clamp( 1.0 - dotVH, 0.0, 1.0 );
    float x2 = x * x;
    float x5 = clamp( x * x2 * x2, 0.0, 0.9999 );
    return ( f - vec3( f90 ) * x5 ) / ( 1.0 - x5 );
}
#ifdef USE_DIFFUSE_ROUGHNESS
	const float EON_EPSILON = 1e-7;
	float FON_DirectionalAlbedo( const in float mu, const in float roughness, const in float A ) {
		float muComp = 1.0 - mu;
		float gOverPi = muComp * ( 0.0571085289 + muComp * ( 0.491881867 + muComp * ( - 0.332181442 + muComp * 0.0714429953 ) ) );
		return A * ( 1.0 + roughness * gOverPi );
	}
	vec3 BRDF_EON( const in vec3 lightDir, const in vec3 viewDir, const in vec3 normal, const in vec3 diffuseColor, const in float roughness ) {
		vec3 rho = saturate( diffuseColor );
		if ( roughness <= EON_EPSILON ) return BRDF_Lambert( rho );
		float dotNL = saturate( dot( normal, lightDir ) );
		float dotNV = saturate( dot( normal, viewDir ) );
		float s = dot( lightDir, viewDir ) - dotNL * dotNV;
		float sOverT = ( s > 0.0 ) ? s / max( max( dotNL, dotNV ), EON_EPSILON ) : s;
		float A = 1.0 / ( 1.0 + ( 0.5 - 2.0 / ( 3.0 * PI ) ) * roughness );
		vec3 singleScatter = rho * RECIPROCAL_PI * A * ( 1.0 + roughness * sOverT );
		float averageAlbedo = A * ( 1.0 + ( 2.0 / 3.0 - 28.0 / ( 15.0 * PI ) ) * roughness );
		float albedoV = FON_DirectionalAlbedo( dotNV, roughness, A );
		float albedoL = FON_DirectionalAlbedo( dotNL, roughness, A );
		vec3 rhoMultiScatter = rho * rho * averageAlbedo / max( vec3( EON_EPSILON ), vec3( 1.0 ) - rho * ( 1.0 - averageAlbedo ) );
		vec3 multiScatter = rhoMultiScatter * RECIPROCAL_PI
			* max( EON_EPSILON, 1.0 - albedoV )
			* max( EON_EPSILON, 1.0 - albedoL )
			/ max( EON_EPSILON, 1.0 - averageAlbedo );
		return singleScatter + multiScatter;
	}
	vec3 EON_DirectionalAlbedo( const in vec3 diffuseColor, const in float roughness, const in float dotNV ) {
		vec3 rho = saturate( diffuseColor );
		if ( roughness <= EON_EPSILON ) return rho;
		float A = 1.0 / ( 1.0 + ( 0.5 - 2.0 / ( 3.0 * PI ) ) * roughness );
		float directionalAlbedo = FON_DirectionalAlbedo( dotNV, roughness, A );
		float averageAlbedo = A * ( 1.0 + ( 2.0 / 3.0 - 28.0 / ( 15.0 * PI ) ) * roughness );
		vec3 rhoMultiScatter = rho * rho * averageAlbedo / max( vec3( EON_EPSILON ), vec3( 1.0 ) - rho * ( 1.0 - averageAlbedo ) );
		return rho * directionalAlbedo + rhoMultiScatter * ( 1.0 - directionalAlbedo );
	}
#endif
float V_GGX_SmithCorrelated( const in float alpha, const in float dotNL, const in float dotNV ) {
	float a2 = pow2( alpha );
	float gv = dotNL * sqrt( a2 + ( 1.0 - a2 ) * pow2( dotNV ) );
	float gl = dotNV * sqrt( a2 + ( 1.0 - a2 ) * pow2( dotNL ) );
	return 0.5 / max( gv + gl, EPSILON );
}
float D_GGX( const in float alpha, const in float dotNH ) {
	float a2 = pow2( alpha );
	float denom = pow2( dotNH ) * ( a2 - 1.0 ) + 1.0;
	return RECIPROCAL_PI * a2 / pow2( denom );
}
#ifdef USE_ANISOTROPY
	float V_GGX_SmithCorrelated_Anisotropic( const in float alphaT, const in float alphaB, const in float dotTV, const in float dotBV, const in float dotTL, const in float dotBL, const in float dotNV, const in float dotNL ) {
		float gv = dotNL * length( vec3( alphaT * dotTV, alphaB * dotBV, dotNV ) );
		float gl = dotNV * length( vec3( alphaT * dotTL, alphaB * dotBL, dotNL ) );
		return 0.5 / max( gv + gl, EPSILON );
	}
	float D_GGX_Anisotropic( const in float alphaT, const in float alphaB, const in float dotNH, const in float dotTH, const in float dotBH ) {
		float a2 = alphaT * alphaB;
		highp vec3 v = vec3( alphaB * dotTH, alphaT * dotBH, a2 * dotNH );
		highp float v2 = dot( v, v );
		float w2 = a2 / v2;
		return RECIPROCAL_PI * a2 * pow2 ( w2 );
	}
#endif
#ifdef USE_CLEARCOAT
	vec3 BRDF_GGX_Clearcoat( const in vec3 lightDir, const in vec3 viewDir, const in vec3 normal, const in PhysicalMaterial material) {
		vec3 f0 = material.clearcoatF0;
		float f90 = material.clearcoatF90;
		float roughness = max( material.clearcoatRoughness, 0.045 );
		float alpha = pow2( roughness );
		vec3 halfDir = normalize( lightDir + viewDir );
		float dotNL = saturate( dot( normal, lightDir ) );
		float dotNV = saturate( dot( normal, viewDir ) );
		float dotNH = saturate( dot( normal, halfDir ) );
		float dotVH = saturate( dot( viewDir, halfDir ) );
		vec3 F = F_Schlick( f0, f90, dotVH );
		float V = V_GGX_SmithCorrelated( alpha, dotNL, dotNV );
		float D = D_GGX( alpha, dotNH );
		return F * ( V * D );
	}
#endif
vec3 BRDF_GGX( const in vec3 lightDir, const in vec3 viewDir, const in vec3 normal, const in PhysicalMaterial material ) {
	vec3 f0 = material.specularColorBlended;
	float f90 = material.specularF90;
	float roughness = max( material.roughness, 0.045 );
	float alpha = pow2( roughness );
	vec3 halfDir = normalize( lightDir + viewDir );
	float dotNL = saturate( dot( normal, lightDir ) );
	float dotNV = saturate( dot( normal, viewDir ) );
	float dotNH = saturate( dot( normal, halfDir ) );
	float dotVH = saturate( dot( viewDir, halfDir ) );
	vec3 F = F_Schlick( f0, f90, dotVH );
	#ifdef USE_IRIDESCENCE
		F = mix( F, material.iridescenceFresnel, material.iridescence );
	#endif
	#ifdef USE_ANISOTROPY
		float dotTL = dot( material.anisotropyT, lightDir );
		float dotTV = dot( material.anisotropyT, viewDir );
		float dotTH = dot( material.anisotropyT, halfDir );
		float dotBL = dot( material.anisotropyB, lightDir );
		float dotBV = dot( material.anisotropyB, viewDir );
		float dotBH = dot( material.anisotropyB, halfDir );
		float alphaT = max( material.alphaT, alpha );
		float V = V_GGX_SmithCorrelated_Anisotropic( alphaT, alpha, dotTV, dotBV, dotTL, dotBL, dotNV, dotNL );
		float D = D_GGX_Anisotropic( alphaT, alpha, dotNH, dotTH, dotBH );
	#else
		float V = V_GGX_SmithCorrelated( alpha, dotNL, dotNV );
		float D = D_GGX( alpha, dotNH );
	#endif
	return F * ( V * D );
}
vec2 LTC_Uv( const in vec3 N, const in vec3 V, const in float roughness ) {
	const float LUT_SIZE = 64.0;
	const float LUT_SCALE = ( LUT_SIZE - 1.0 ) / LUT_SIZE;
	const float LUT_BIAS = 0.5 / LUT_SIZE;
	float dotNV = saturate( dot( N, V ) );
	vec2 uv = vec2( roughness, sqrt( 1.0 - dotNV ) );
	uv = uv * LUT_SCALE + LUT_BIAS;
	return uv;
}
float LTC_ClippedSphereFormFactor( const in vec3 f ) {
	float l = length( f );
	return max( ( l * l + f.z ) / ( l + 1.0 ), 0.0 );
}
vec3 LTC_EdgeVectorFormFactor( const in vec3 v1, const in vec3 v2 ) {
	float x = dot( v1, v2 );
	float y = abs( x );
	float a = 0.8543985 + ( 0.4965155 + 0.0145206 * y ) * y;
	float b = 3.4175940 + ( 4.1616724 + y ) * y;
	float v = a / b;
	float theta_sintheta = ( x > 0.0 ) ? v : 0.5 * inversesqrt( max( 1.0 - x * x, 1e-7 ) ) - v;
	return cross( v1, v2 ) * theta_sintheta;
}
vec3 LTC_Evaluate( const in vec3 N, const in vec3 V, const in vec3 P, const in mat3 mInv, const in vec3 rectCoords[ 4 ] ) {
	vec3 v1 = rectCoords[ 1 ] - rectCoords[ 0 ];
	vec3 v2 = rectCoords[ 3 ] - rectCoords[ 0 ];
	vec3 lightNormal = cross( v1, v2 );
	if( dot( lightNormal, P - rectCoords[ 0 ] ) < 0.0 ) return vec3( 0.0 );
	vec3 T1, T2;
	T1 = normalize( V - N * dot( V, N ) );
	T2 = - cross( N, T1 );
	mat3 mat = mInv * transpose( mat3( T1, T2, N ) );
	vec3 coords[ 4 ];
	coords[ 0 ] = mat * ( rectCoords[ 0 ] - P );
	coords[ 1 ] = mat * ( rectCoords[ 1 ] - P );
	coords[ 2 ] = mat * ( rectCoords[ 2 ] - P );
	coords[ 3 ] = mat * ( rectCoords[ 3 ] - P );
	coords[ 0 ] = normalize( coords[ 0 ] );
	coords[ 1 ] = normalize( coords[ 1 ] );
	coords[ 2 ] = normalize( coords[ 2 ] );
	coords[ 3 ] = normalize( coords[ 3 ] );
	vec3 vectorFormFactor = vec3( 0.0 );
	vectorFormFactor += LTC_EdgeVectorFormFactor( coords[ 0 ], coords[ 1 ] );
	vectorFormFactor += LTC_EdgeVectorFormFactor( coords[ 1 ], coords[ 2 ] );
	vectorFormFactor += LTC_EdgeVectorFormFactor( coords[ 2 ], coords[ 3 ] );
	vectorFormFactor += LTC_EdgeVectorFormFactor( coords[ 3 ], coords[ 0 ] );
	float result = LTC_ClippedSphereFormFactor( vectorFormFactor );
	return vec3( result );
}
#if defined( USE_SHEEN )
float D_Charlie( float roughness, float dotNH ) {
	float alpha = pow2( roughness );
	float invAlpha = 1.0 / alpha;
	float cos2h = dotNH * dotNH;
	float sin2h = max( 1.0 - cos2h, 0.0078125 );
	return ( 2.0 + invAlpha ) * pow( sin2h, invAlpha * 0.5 ) / ( 2.0 * PI );
}
float V_Neubelt( float dotNV, float dotNL ) {
	return saturate( 1.0 / ( 4.0 * ( dotNL + dotNV - dotNL * dotNV ) ) );
}
vec3 BRDF_Sheen( const in vec3 lightDir, const in vec3 viewDir, const in vec3 normal, vec3 sheenColor, const in float sheenRoughness ) {
	vec3 halfDir = normalize( lightDir + viewDir );
	float dotNL = saturate( dot( normal, lightDir ) );
	float dotNV = saturate( dot( normal, viewDir ) );
	float dotNH = saturate( dot( normal, halfDir ) );
	float D = D_Charlie( sheenRoughness, dotNH );
	float V = V_Neubelt( dotNV, dotNL );
	return sheenColor * ( D * V );
}
#endif
float IBLSheenBRDF( const in vec3 normal, const in vec3 viewDir, const in float roughness ) {
	float dotNV = saturate( dot( normal, viewDir ) );
	float r2 = roughness * roughness;
	float rInv = 1.0 / ( roughness + 0.1 );
	float a = -1.9362 + 1.0678 * roughness + 0.4573 * r2 - 0.8469 * rInv;
	float b = -0.6014 + 0.5538 * roughness - 0.4670 * r2 - 0.1255 * rInv;
	float DG = exp( a * dotNV + b );
	return saturate( DG );
}
vec3 EnvironmentBRDF( const in vec3 normal, const in vec3 viewDir, const in vec3 specularColor, const in float specularF90, const in float roughness ) {
	float dotNV = saturate( dot( normal, viewDir ) );
	vec2 fab = texture2D( dfgLUT, vec2( roughness, dotNV ) ).rg;
	return specularColor * fab.x + specularF90 * fab.y;
}
#ifdef USE_IRIDESCENCE
void computeMultiscatteringIridescence( const in vec2 fab, const in vec3 specularColor, const in float specularF90, const in float iridescence, const in vec3 iridescenceF0, inout vec3 singleScatter, inout vec3 multiScatter ) {
#else
void computeMultiscattering( const in vec2 fab, const in vec3 specularColor, const in float specularF90, inout vec3 singleScatter, inout vec3 multiScatter ) {
#endif
	#ifdef USE_IRIDESCENCE
		vec3 Fr = mix( specularColor, iridescenceF0, iridescence );
	#else
		vec3 Fr = specularColor;
	#endif
	vec3 FssEss = Fr * fab.x + specularF90 * fab.y;
	float Ess = fab.x + fab.y;
	float Ems = 1.0 - Ess;
	vec3 Favg = Fr + ( 1.0 - Fr ) * 0.047619;	vec3 Fms = FssEss * Favg / ( 1.0 - Ems * Favg );
	singleScatter += FssEss;
	multiScatter += Fms * Ems;
}
#if NUM_RECT_AREA_LIGHTS > 0
	void RE_Direct_RectArea_Physical( const in RectAreaLight rectAreaLight, const in vec3 geometryPosition, const in vec3 geometryNormal, const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in PhysicalMaterial material, inout ReflectedLight reflectedLight ) {
		vec3 normal = geometryNormal;
		vec3 viewDir = geometryViewDir;
		vec3 position = geometryPosition;
		vec3 lightPos = rectAreaLight.position;
		vec3 halfWidth = rectAreaLight.halfWidth;
		vec3 halfHeight = rectAreaLight.halfHeight;
		vec3 lightColor = rectAreaLight.color;
		float roughness = material.roughness;
		vec3 rectCoords[ 4 ];
		rectCoords[ 0 ] = lightPos + halfWidth - halfHeight;		rectCoords[ 1 ] = lightPos - halfWidth - halfHeight;
		rectCoords[ 2 ] = lightPos - halfWidth + halfHeight;
		rectCoords[ 3 ] = lightPos + halfWidth + halfHeight;
		vec2 uv = LTC_Uv( normal, viewDir, roughness );
		vec4 t1 = texture2D( ltc_1, uv );
		vec4 t2 = texture2D( ltc_2, uv );
		mat3 mInv = mat3(
			vec3( t1.x, 0, t1.y ),
			vec3(    0, 1,    0 ),
			vec3( t1.z, 0, t1.w )
		);
		vec3 fresnel = ( material.specularColorBlended * t2.x + ( material.specularF90 - material.specularColorBlended ) * t2.y );
		reflectedLight.directSpecular += lightColor * fresnel * LTC_Evaluate( normal, viewDir, position, mInv, rectCoords );
		reflectedLight.directDiffuse += lightColor * material.diffuseContribution * LTC_Evaluate( normal, viewDir, position, mat3( 1.0 ), rectCoords );
		#ifdef USE_CLEARCOAT
			vec3 Ncc = geometryClearcoatNormal;
			vec2 uvClearcoat = LTC_Uv( Ncc, viewDir, material.clearcoatRoughness );
			vec4 t1Clearcoat = texture2D( ltc_1, uvClearcoat );
			vec4 t2Clearcoat = texture2D( ltc_2, uvClearcoat );
			mat3 mInvClearcoat = mat3(
				vec3( t1Clearcoat.x, 0, t1Clearcoat.y ),
				vec3(             0, 1,             0 ),
				vec3( t1Clearcoat.z, 0, t1Clearcoat.w )
			);
			vec3 fresnelClearcoat = material.clearcoatF0 * t2Clearcoat.x + ( material.clearcoatF90 - material.clearcoatF0 ) * t2Clearcoat.y;
			clearcoatSpecularDirect += lightColor * fresnelClearcoat * LTC_Evaluate( Ncc, viewDir, position, mInvClearcoat, rectCoords );
		#endif
	}
#endif
void RE_Direct_Physical( const in IncidentLight directLight, const in vec3 geometryPosition, const in vec3 geometryNormal, const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in PhysicalMaterial material, inout ReflectedLight reflectedLight ) {
	float dotNL = saturate( dot( geometryNormal, directLight.direction ) );
	vec3 irradiance = dotNL * directLight.color;
	#ifdef USE_CLEARCOAT
		float dotNLcc = saturate( dot( geometryClearcoatNormal, directLight.direction ) );
		vec3 ccIrradiance = dotNLcc * directLight.color;
		clearcoatSpecularDirect += ccIrradiance * BRDF_GGX_Clearcoat( directLight.direction, geometryViewDir, geometryClearcoatNormal, material );
	#endif
	#ifdef USE_SHEEN
 
 		sheenSpecularDirect += irradiance * BRDF_Sheen( directLight.direction, geometryViewDir, geometryNormal, material.sheenColor, material.sheenRoughness );
 
 		float sheenAlbedoV = IBLSheenBRDF( geometryNormal, geometryViewDir, material.sheenRoughness );
 		float sheenAlbedoL = IBLSheenBRDF( geometryNormal, directLight.direction, material.sheenRoughness );
 
 		float sheenEnergyComp = 1.0 - max3( material.sheenColor ) * max( sheenAlbedoV, sheenAlbedoL );
 
 		irradiance *= sheenEnergyComp;
 
 	#endif
	vec3 specularBRDF = BRDF_GGX( directLight.direction, geometryViewDir, geometryNormal, material );
	#ifdef USE_RETROREFLECTION
		vec3 retroViewDir = reflect( - geometryViewDir, geometryNormal );
		vec3 retroSpecularBRDF = BRDF_GGX( directLight.direction, retroViewDir, geometryNormal, material );
		specularBRDF = mix( specularBRDF, retroSpecularBRDF, saturate( material.retroreflectivity ) );
	#endif
	reflectedLight.directSpecular += irradiance * specularBRDF * material.multiScatteringCompensation;
	vec3 halfDir = normalize( directLight.direction + geometryViewDir );
	float dotVH = saturate( dot( geometryViewDir, halfDir ) );
	vec3 F = F_Schlick( material.specularColor, material.specularF90, dotVH );
	#ifdef USE_RETROREFLECTION
		vec3 retroHalfDir = normalize( directLight.direction + retroViewDir );
		float dotRetroVH = saturate( dot( retroViewDir, retroHalfDir ) );
		vec3 retroF = F_Schlick( material.specularColor, material.specularF90, dotRetroVH );
		F = mix( F, retroF, saturate( material.retroreflectivity ) );
	#endif
	#ifdef USE_DIFFUSE_ROUGHNESS
		vec3 diffuseBRDF = BRDF_EON( directLight.direction, geometryViewDir, geometryNormal, material.diffuseColor, material.diffuseRoughness ) * ( 1.0 - material.metalness );
	#else
		vec3 diffuseBRDF = BRDF_Lambert( material.diffuseContribution );
	#endif
	reflectedLight.directDiffuse += irradiance * diffuseBRDF * ( 1.0 - F );
}
void RE_IndirectDiffuse_Physical( const in vec3 irradiance, const in vec3 geometryPosition, const in vec3 geometryNormal, const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in PhysicalMaterial material, inout ReflectedLight reflectedLight ) {
	vec3 singleScattering = vec3( 0.0 );
	vec3 multiScattering = vec3( 0.0 );
	#ifdef USE_IRIDESCENCE
		computeMultiscatteringIridescence( material.dfg, material.specularColor, material.specularF90, material.iridescence, material.iridescenceF0Dielectric, singleScattering, multiScattering );
	#else
		computeMultiscattering( material.dfg, material.specularColor, material.specularF90, singleScattering, multiScattering );
	#endif
	#ifdef USE_DIFFUSE_ROUGHNESS
		float dotNV = saturate( dot( geometryNormal, geometryViewDir ) );
		vec3 diffuseAlbedo = EON_DirectionalAlbedo( material.diffuseColor, material.diffuseRoughness, dotNV ) * ( 1.0 - material.metalness );
		vec3 diffuse = irradiance * RECIPROCAL_PI * diffuseAlbedo * ( 1.0 - singleScattering - multiScattering );
	#else
		vec3 diffuse = irradiance * BRDF_Lambert( material.diffuseContribution ) * ( 1.0 - singleScattering - multiScattering );
	#endif
	#ifdef USE_SHEEN
		float sheenAlbedo = IBLSheenBRDF( geometryNormal, geometryViewDir, material.sheenRoughness );
		sheenSpecularIndirect += irradiance * material.sheenColor * sheenAlbedo * RECIPROCAL_PI;
		float sheenEnergyComp = 1.0 - max3( material.sheenColor ) * sheenAlbedo;
		diffuse *= sheenEnergyComp;
	#endif
	reflectedLight.indirectDiffuse += diffuse;
}
void RE_IndirectSpecular_Physical( const in vec3 radiance, const in vec3 irradiance, const in vec3 clearcoatRadiance, const in vec3 geometryPosition, const in vec3 geometryNormal, const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in PhysicalMaterial material, inout ReflectedLight reflectedLight) {
	#ifdef USE_CLEARCOAT
		clearcoatSpecularIndirect += clearcoatRadiance * EnvironmentBRDF( geometryClearcoatNormal, geometryViewDir, material.clearcoatF0, material.clearcoatF90, material.clearcoatRoughness );
	#endif
	#ifdef USE_SHEEN
		sheenSpecularIndirect += irradiance * material.sheenColor * IBLSheenBRDF( geometryNormal, geometryViewDir, material.sheenRoughness ) * RECIPROCAL_PI;
 	#endif
	vec3 singleScatteringDielectric = vec3( 0.0 );
	vec3 multiScatteringDielectric = vec3( 0.0 );
	vec3 singleScatteringMetallic = vec3( 0.0 );
	vec3 multiScatteringMetallic = vec3( 0.0 );
	#ifdef USE_IRIDESCENCE
		computeMultiscatteringIridescence( material.dfg, material.specularColor, material.specularF90, material.iridescence, material.iridescenceF0Dielectric, singleScatteringDielectric, multiScatteringDielectric );
		computeMultiscatteringIridescence( material.dfg, material.diffuseColor, material.specularF90, material.iridescence, material.iridescenceF0Metallic, singleScatteringMetallic, multiScatteringMetallic );
	#else
		computeMultiscattering( material.dfg, material.specularColor, material.specularF90, singleScatteringDielectric, multiScatteringDielectric );
		computeMultiscattering( material.dfg, material.diffuseColor, material.specularF90, singleScatteringMetallic, multiScatteringMetallic );
	#endif
	vec3 singleScattering = mix( singleScatteringDielectric, singleScatteringMetallic, material.metalness );
	vec3 multiScattering = mix( multiScatteringDielectric, multiScatteringMetallic, material.metalness );
	vec3 totalScatteringDielectric = singleScatteringDielectric + multiScatteringDielectric;
	#ifdef USE_DIFFUSE_ROUGHNESS
		float dotNV = saturate( dot( geometryNormal, geometryViewDir ) );
		vec3 diffuse = EON_DirectionalAlbedo( material.diffuseColor, material.diffuseRoughness, dotNV ) * ( 1.0 - material.metalness ) * ( 1.0 - totalScatteringDielectric );
	#else
		vec3 diffuse = material.diffuseContribution * ( 1.0 - totalScatteringDielectric );
	#endif
	vec3 cosineWeightedIrradiance = irradiance * RECIPROCAL_PI;
	vec3 indirectSpecular = radiance * singleScattering;
	indirectSpecular += multiScattering * cosineWeightedIrradiance;
	vec3 indirectDiffuse = diffuse * cosineWeightedIrradiance;
	#ifdef USE_SHEEN
		float sheenAlbedo = IBLSheenBRDF( geometryNormal, geometryViewDir, material.sheenRoughness );
		float sheenEnergyComp = 1.0 - max3( material.sheenColor ) * sheenAlbedo;
		indirectSpecular *= sheenEnergyComp;
		indirectDiffuse *= sheenEnergyComp;
	#endif
	reflectedLight.indirectSpecular += indirectSpecular;
	reflectedLight.indirectDiffuse += indirectDiffuse;
}
#define RE_Direct				RE_Direct_Physical
#define RE_Direct_RectArea		RE_Direct_RectArea_Physical
#define RE_IndirectDiffuse		RE_IndirectDiffuse_Physical
#define RE_IndirectSpecular		RE_IndirectSpecular_Physical
float computeSpecularOcclusion( const in float dotNV, const in float ambientOcclusion, const in float roughness ) {
	return saturate( pow( dotNV + ambientOcclusion, exp2( - 16.0 * roughness - 1.0 ) ) - 1.0 + ambientOcclusion );
}`,m0=`
vec3 geometryPosition = - vViewPosition;
vec3 geometryNormal = normal;
vec3 geometryViewDir = ( isOrthographic ) ? vec3( 0, 0, 1 ) : normalize( vViewPosition );
vec3 geometryClearcoatNormal = vec3( 0.0 );
#ifdef USE_CLEARCOAT
	geometryClearcoatNormal = clearcoatNormal;
#endif
#ifdef USE_IRIDESCENCE
	float dotNVi = saturate( dot( normal, geometryViewDir ) );
	if ( material.iridescenceThickness == 0.0 ) {
		material.iridescence = 0.0;
	} else {
		material.iridescence = saturate( material.iridescence );
	}
	if ( material.iridescence > 0.0 ) {
		vec3 iridescenceFresnelDielectric = evalIridescence( 1.0, material.iridescenceIOR, dotNVi, material.iridescenceThickness, material.specularColor );
		vec3 iridescenceFresnelMetallic = evalIridescence( 1.0, material.iridescenceIOR, dotNVi, material.iridescenceThickness, material.diffuseColor );
		material.iridescenceFresnel = mix( iridescenceFresnelDielectric, iridescenceFresnelMetallic, material.metalness );
		material.iridescenceF0Dielectric = Schlick_to_F0( iridescenceFresnelDielectric, 1.0, dotNVi );
		material.iridescenceF0Metallic = Schlick_to_F0( iridescenceFresnelMetallic, 1.0, dotNVi );
	}
#endif
#ifdef STANDARD
	float dotNVms = saturate( dot( geometryNormal, geometryViewDir ) );
	material.dfg = texture2D( dfgLUT, vec2( material.roughness, dotNVms ) ).rg;
	#if ( NUM_SUN_LIGHTS > 0 || NUM_DIR_LIGHTS > 0 || NUM_POINT_LIGHTS > 0 || NUM_SPOT_LIGHTS > 0 )
		float EssMs = material.dfg.x + material.dfg.y;
		material.multiScatteringCompensation = 1.0 + material.specularColorBlended * ( 1.0 / EssMs - 1.0 );
	#endif
#endif
IncidentLight directLight;
#if ( NUM_POINT_LIGHTS > 0 ) && defined( RE_Direct )
	PointLight pointLight;
	#if defined( USE_SHADOWMAP ) && NUM_POINT_LIGHT_SHADOWS > 0
	PointLightShadow pointLightShadow;
	#endif
	#pragma unroll_loop_start
	for ( int i = 0; i < NUM_POINT_LIGHTS; i ++ ) {
		pointLight = pointLights[ i ];
		getPointLightInfo( pointLight, geometryPosition, directLight );
		#if defined( USE_SHADOWMAP ) && ( UNROLLED_LOOP_INDEX < NUM_POINT_LIGHT_SHADOWS ) && ( defined( SHADOWMAP_TYPE_PCF ) || defined( SHADOWMAP_TYPE_BASIC ) )
		pointLightShadow = pointLightShadows[ i ];
		directLight.color *= ( directLight.visible && receiveShadow ) ? getPointShadow( pointShadowMap[ i ], pointLightShadow.shadowMapSize, pointLightShadow.shadowIntensity, pointLightShadow.shadowBias, pointLightShadow.shadowRadius, vPointShadowCoord[ i ], pointLightShadow.shadowCameraNear, pointLightShadow.shadowCameraFar ) : 1.0;
		#endif
		RE_Direct( directLight, geometryPosition, geometryNormal, geometryViewDir, geometryClearcoatNormal, material, reflectedLight );
	}
	#pragma unroll_loop_end
#endif
#if ( NUM_SPOT_LIGHTS > 0 ) && defined( RE_Direct )
	SpotLight spotLight;
	vec4 spotColor;
	vec3 spotLightCoord;
	bool inSpotLightMap;
	#if defined( USE_SHADOWMAP ) && NUM_SPOT_LIGHT_SHADOWS > 0
	SpotLightShadow spotLightShadow;
	#endif
	#pragma unroll_loop_start
	for ( int i = 0; i < NUM_SPOT_LIGHTS; i ++ ) {
		spotLight = spotLights[ i ];
		getSpotLightInfo( spotLight, geometryPosition, directLight );
		#if ( UNROLLED_LOOP_INDEX < NUM_SPOT_LIGHT_SHADOWS_WITH_MAPS )
		#define SPOT_LIGHT_MAP_INDEX UNROLLED_LOOP_INDEX
		#elif ( UNROLLED_LOOP_INDEX < NUM_SPOT_LIGHT_SHADOWS )
		#define SPOT_LIGHT_MAP_INDEX NUM_SPOT_LIGHT_MAPS
		#else
		#define SPOT_LIGHT_MAP_INDEX ( UNROLLED_LOOP_INDEX - NUM_SPOT_LIGHT_SHADOWS + NUM_SPOT_LIGHT_SHADOWS_WITH_MAPS )
		#endif
		#if ( SPOT_LIGHT_MAP_INDEX < NUM_SPOT_LIGHT_MAPS )
			spotLightCoord = vSpotLightCoord[ i ].xyz / vSpotLightCoord[ i ].w;
			inSpotLightMap = all( lessThan( abs( spotLightCoord * 2. - 1. ), vec3( 1.0 ) ) );
			spotColor = texture2D( spotLightMap[ SPOT_LIGHT_MAP_INDEX ], spotLightCoord.xy );
			directLight.color = inSpotLightMap ? directLight.color * spotColor.rgb : directLight.color;
		#endif
		#undef SPOT_LIGHT_MAP_INDEX
		#if defined( USE_SHADOWMAP ) && ( UNROLLED_LOOP_INDEX < NUM_SPOT_LIGHT_SHADOWS )
		spotLightShadow = spotLightShadows[ i ];
		directLight.color *= ( directLight.visible && receiveShadow ) ? getShadow( spotShadowMap[ i ], spotLightShadow.shadowMapSize, spotLightShadow.shadowIntensity, spotLightShadow.shadowBias, spotLightShadow.shadowRadius, vSpotLightCoord[ i ] ) : 1.0;
		#endif
		RE_Direct( directLight, geometryPosition, geometryNormal, geometryViewDir, geometryClearcoatNormal, material, reflectedLight );
	}
	#pragma unroll_loop_end
#endif
#if ( NUM_SUN_LIGHTS > 0 ) && defined( RE_Direct )
	SunLight sunLight;
	#if defined( USE_SHADOWMAP ) && NUM_SUN_LIGHT_SHADOWS > 0
	SunLightShadow sunLightShadow;
	#endif
	#pragma unroll_loop_start
	for ( int i = 0; i < NUM_SUN_LIGHTS; i ++ ) {
		sunLight = sunLights[ i ];
		getSunLightInfo( sunLight, directLight );
		#if defined( USE_SHADOWMAP ) && ( UNROLLED_LOOP_INDEX < NUM_SUN_LIGHT_SHADOWS )
		sunLightShadow = sunLightShadows[ i ];
		directLight.color *= ( directLight.visible && receiveShadow ) ? getSunShadow( sunShadowMap[ i ], sunLightShadow, UNROLLED_LOOP_INDEX ) : 1.0;
		#endif
		RE_Direct( directLight, geometryPosition, geometryNormal, geometryViewDir, geometryClearcoatNormal, material, reflectedLight );
	}
	#pragma unroll_loop_end
#endif
#if ( NUM_DIR_LIGHTS > 0 ) && defined( RE_Direct )
	DirectionalLight directionalLight;
	#if defined( USE_SHADOWMAP ) && NUM_DIR_LIGHT_SHADOWS > 0
	DirectionalLightShadow directionalLightShadow;
	#endif
	#pragma unroll_loop_start
	for ( int i = 0; i < NUM_DIR_LIGHTS; i ++ ) {
		directionalLight = directionalLights[ i ];
		getDirectionalLightInfo( directionalLight, directLight );
		#if defined( USE_SHADOWMAP ) && ( UNROLLED_LOOP_INDEX < NUM_DIR_LIGHT_SHADOWS )
		directionalLightShadow = directionalLightShadows[ i ];
		directLight.color *= ( directLight.visible && receiveShadow ) ? getShadow( directionalShadowMap[ i ], directionalLightShadow.shadowMapSize, directionalLightShadow.shadowIntensity, directionalLightShadow.shadowBias, directionalLightShadow.shadowRadius, vDirectionalShadowCoord[ i ] ) : 1.0;
		#endif
		RE_Direct( directLight, geometryPosition, geometryNormal, geometryViewDir, geometryClearcoatNormal, material, reflectedLight );
	}
	#pragma unroll_loop_end
#endif
#if ( NUM_RECT_AREA_LIGHTS > 0 ) && defined( RE_Direct_RectArea )
	RectAreaLight rectAreaLight;
	#pragma unroll_loop_start
	for ( int i = 0; i < NUM_RECT_AREA_LIGHTS; i ++ ) {
		rectAreaLight = rectAreaLights[ i ];
		RE_Direct_RectArea( rectAreaLight, geometryPosition, geometryNormal, geometryViewDir, geometryClearcoatNormal, material, reflectedLight );
	}
	#pragma unroll_loop_end
#endif
#if defined( RE_IndirectDiffuse )
	vec3 iblIrradiance = vec3( 0.0 );
	vec3 irradiance = getAmbientLightIrradiance( ambientLightColor );
	#if defined( USE_LIGHT_PROBES )
		irradiance += getLightProbeIrradiance( lightProbe, geometryNormal );
	#endif
	#if ( NUM_HEMI_LIGHTS > 0 )
		#pragma unroll_loop_start
		for ( int i = 0; i < NUM_HEMI_LIGHTS; i ++ ) {
			irradiance += getHemisphereLightIrradiance( hemisphereLights[ i ], geometryNormal );
		}
		#pragma unroll_loop_end
	#endif
	#if NUM_LIGHT_PROBE_GRIDS > 0
		vec3 probeWorldPos = ( ( vec4( geometryPosition, 1.0 ) - viewMatrix[ 3 ] ) * viewMatrix ).xyz;
		vec3 probeWorldNormal = transformNormalByInverseViewMatrix( geometryNormal, viewMatrix );
		int probeGrid = - 1;
		#pragma unroll_loop_start
		for ( int i = 0; i < NUM_LIGHT_PROBE_GRIDS; i ++ ) {
			if ( isInsideLightProbeGrid( probeWorldPos, probeWorldNormal, probesMin[ i ], probesMax[ i ], probesResolution[ i ] ) ) probeGrid = UNROLLED_LOOP_INDEX;
		}
		#pragma unroll_loop_end
		#pragma unroll_loop_start
		for ( int i = 0; i < NUM_LIGHT_PROBE_GRIDS; i ++ ) {
			if ( probeGrid == UNROLLED_LOOP_INDEX ) irradiance += getLightProbeGridIrradiance( probesSH[ i ], probesMin[ i ], probesMax[ i ], probesResolution[ i ], probeWorldPos, probeWorldNormal );
		}
		#pragma unroll_loop_end
	#endif
#endif
#if defined( RE_IndirectSpecular )
	vec3 radiance = vec3( 0.0 );
	vec3 clearcoatRadiance = vec3( 0.0 );
#endif`,g0=`#if defined( RE_IndirectDiffuse )
	#ifdef USE_LIGHTMAP
		vec4 lightMapTexel = texture2D( lightMap, vLightMapUv );
		vec3 lightMapIrradiance = lightMapTexel.rgb * lightMapIntensity;
		irradiance += lightMapIrradiance;
	#endif
	#if defined( USE_ENVMAP ) && defined( ENVMAP_TYPE_PMREM )
		#if defined( STANDARD ) || defined( LAMBERT ) || defined( PHONG )
			iblIrradiance += getIBLIrradiance( geometryNormal );
		#endif
	#endif
#endif
#if defined( USE_ENVMAP ) && defined( RE_IndirectSpecular )
	#ifdef USE_ANISOTROPY
		vec3 iblRadiance = getIBLAnisotropyRadiance( geometryViewDir, geometryNormal, material.roughness, material.anisotropyB, material.anisotropy );
	#else
		vec3 iblRadiance = getIBLRadiance( geometryViewDir, geometryNormal, material.roughness );
	#endif
	#ifdef USE_RETROREFLECTION
		#ifdef USE_ANISOTROPY
			vec3 retroIBLRadiance = getIBLAnisotropyRetroRadiance( geometryViewDir, geometryNormal, material.roughness, material.anisotropyB, material.anisotropy );
		#else
			vec3 retroIBLRadiance = getIBLRetroRadiance( geometryViewDir, geometryNormal, material.roughness );
		#endif
		iblRadiance = mix( iblRadiance, retroIBLRadiance, saturate( material.retroreflectivity ) );
	#endif
	radiance += iblRadiance;
	#ifdef USE_CLEARCOAT
		clearcoatRadiance += getIBLRadiance( geometryViewDir, geometryClearcoatNormal, material.clearcoatRoughness );
	#endif
#endif`,_0=`#if defined( RE_IndirectDiffuse )
	#if defined( LAMBERT ) || defined( PHONG )
		irradiance += iblIrradiance;
	#endif
	RE_IndirectDiffuse( irradiance, geometryPosition, geometryNormal, geometryViewDir, geometryClearcoatNormal, material, reflectedLight );
#endif
#if defined( RE_IndirectSpecular )
	RE_IndirectSpecular( radiance, iblIrradiance, clearcoatRadiance, geometryPosition, geometryNormal, geometryViewDir, geometryClearcoatNormal, material, reflectedLight );
#endif`,y0=`#if NUM_LIGHT_PROBE_GRIDS > 0
uniform highp sampler3D probesSH[ NUM_LIGHT_PROBE_GRIDS ];
uniform vec3 probesMin[ NUM_LIGHT_PROBE_GRIDS ];
uniform vec3 probesMax[ NUM_LIGHT_PROBE_GRIDS ];
uniform vec3 probesResolution[ NUM_LIGHT_PROBE_GRIDS ];
bool isInsideLightProbeGrid( vec3 worldPos, vec3 worldNormal, vec3 probesMin, vec3 probesMax, vec3 probesResolution ) {
	vec3 spacing = ( probesMax - probesMin ) / probesResolution;
	vec3 samplePos = worldPos + worldNormal * spacing * 0.5;
	vec3 margin = spacing * 0.01;
	return all( greaterThanEqual( samplePos, probesMin - margin ) ) && all( lessThanEqual( samplePos, probesMax + margin ) );
}
vec3 getLightProbeGridIrradiance( highp sampler3D probesSH, vec3 probesMin, vec3 probesMax, vec3 probesResolution, vec3 worldPos, vec3 worldNormal ) {
	vec3 res = probesResolution;
	vec3 gridRange = probesMax - probesMin;
	vec3 probeSpacing = gridRange / res;
	vec3 samplePos = worldPos + worldNormal * probeSpacing * 0.5;
	vec3 uvw = clamp( ( samplePos - probesMin ) / gridRange, 0.5 / res, 1.0 - 0.5 / res );
	float nz          = res.z;
	float paddedSlices = nz + 2.0;
	float atlasDepth  = 7.0 * paddedSlices;
	float uvZBase     = uvw.z * nz + 1.0;
	vec4 s0 = texture( probesSH, vec3( uvw.xy, ( uvZBase                       ) / atlasDepth ) );
	vec4 s1 = texture( probesSH, vec3( uvw.xy, ( uvZBase +       paddedSlices   ) / atlasDepth ) );
	vec4 s2 = texture( probesSH, vec3( uvw.xy, ( uvZBase + 2.0 * paddedSlices   ) / atlasDepth ) );
	vec4 s3 = texture( probesSH, vec3( uvw.xy, ( uvZBase + 3.0 * paddedSlices   ) / atlasDepth ) );
	vec4 s4 = texture( probesSH, vec3( uvw.xy, ( uvZBase + 4.0 * paddedSlices   ) / atlasDepth ) );
	vec4 s5 = texture( probesSH, vec3( uvw.xy, ( uvZBase + 5.0 * paddedSlices   ) / atlasDepth ) );
	vec4 s6 = texture( probesSH, vec3( uvw.xy, ( uvZBase + 6.0 * paddedSlices   ) / atlasDepth ) );
	vec3 c0 = s0.xyz;
	vec3 c1 = vec3( s0.w, s1.xy );
	vec3 c2 = vec3( s1.zw, s2.x );
	vec3 c3 = s2.yzw;
	vec3 c4 = s3.xyz;
	vec3 c5 = vec3( s3.w, s4.xy );
	vec3 c6 = vec3( s4.zw, s5.x );
	vec3 c7 = s5.yzw;
	vec3 c8 = s6.xyz;
	float x = worldNormal.x, y = worldNormal.y, z = worldNormal.z;
	vec3 result = c0 * 0.886227;
	result += c1 * 2.0 * 0.511664 * y;
	result += c2 * 2.0 * 0.511664 * z;
	result += c3 * 2.0 * 0.511664 * x;
	result += c4 * 2.0 * 0.429043 * x * y;
	result += c5 * 2.0 * 0.429043 * y * z;
	result += c6 * ( 0.743125 * z * z - 0.247708 );
	result += c7 * 2.0 * 0.429043 * x * z;
	result += c8 * 0.429043 * ( x * x - y * y );
	return max( result, vec3( 0.0 ) );
}
#endif`,x0=`#if defined( USE_LOGARITHMIC_DEPTH_BUFFER )
	gl_FragDepth = vIsPerspective == 0.0 ? gl_FragCoord.z : log2( vFragDepth ) * logDepthBufFC * 0.5;
#endif`,v0=`#if defined( USE_LOGARITHMIC_DEPTH_BUFFER )
	uniform float logDepthBufFC;
	varying float vFragDepth;
	varying float vIsPerspective;
#endif`,M0=`#ifdef USE_LOGARITHMIC_DEPTH_BUFFER
	varying float vFragDepth;
	varying float vIsPerspective;
#endif`,S0=`#ifdef USE_LOGARITHMIC_DEPTH_BUFFER
	vFragDepth = 1.0 + gl_Position.w;
	vIsPerspective = float( isPerspectiveMatrix( projectionMatrix ) );
#endif`,b0=`#ifdef USE_MAP
	vec4 sampledDiffuseColor = texture2D( map, vMapUv );
	#ifdef DECODE_VIDEO_TEXTURE
		sampledDiffuseColor = sRGBTransferEOTF( sampledDiffuseColor );
	#endif
	diffuseColor *= sampledDiffuseColor;
#endif`,w0=`#ifdef USE_MAP
	uniform sampler2D map;
#endif`,A0=`#if defined( USE_MAP ) || defined( USE_ALPHAMAP )
	#if defined( USE_POINTS_UV )
		vec2 uv = vUv;
	#else
		vec2 uv = ( uvTransform * vec3( gl_PointCoord.x, 1.0 - gl_PointCoord.y, 1 ) ).xy;
	#endif
#endif
#ifdef USE_MAP
	diffuseColor *= texture2D( map, uv );
#endif
#ifdef USE_ALPHAMAP
	diffuseColor.a *= texture2D( alphaMap, uv ).g;
#endif`,E0=`#if defined( USE_POINTS_UV )
	varying vec2 vUv;
#else
	#if defined( USE_MAP ) || defined( USE_ALPHAMAP )
		uniform mat3 uvTransform;
	#endif
#endif
#ifdef USE_MAP
	uniform sampler2D map;
#endif
#ifdef USE_ALPHAMAP
	uniform sampler2D alphaMap;
#endif`,T0=`float metalnessFactor = metalness;
#ifdef USE_METALNESSMAP
	vec4 texelMetalness = texture2D( metalnessMap, vMetalnessMapUv );
	metalnessFactor *= texelMetalness.b;
#endif`,R0=`#ifdef USE_METALNESSMAP
	uniform sampler2D metalnessMap;
#endif`,C0=`#ifdef USE_INSTANCING_MORPH
	float morphTargetInfluences[ MORPHTARGETS_COUNT ];
	float morphTargetBaseInfluence = texelFetch( morphTexture, ivec2( 0, gl_InstanceID ), 0 ).r;
	for ( int i = 0; i < MORPHTARGETS_COUNT; i ++ ) {
		morphTargetInfluences[i] =  texelFetch( morphTexture, ivec2( i + 1, gl_InstanceID ), 0 ).r;
	}
#endif`,I0=`#if defined( USE_MORPHCOLORS )
	#if defined( USE_COLOR_ALPHA )
		vColor *= morphTargetBaseInfluence;
	#elif defined( USE_COLOR )
		vColor.rgb *= morphTargetBaseInfluence;
	#endif
	for ( int i = 0; i < MORPHTARGETS_COUNT; i ++ ) {
		#if defined( USE_COLOR_ALPHA )
			if ( morphTargetInfluences[ i ] != 0.0 ) vColor += getMorph( gl_VertexID, i, 2 ) * morphTargetInfluences[ i ];
		#elif defined( USE_COLOR )
			if ( morphTargetInfluences[ i ] != 0.0 ) vColor.rgb += getMorph( gl_VertexID, i, 2 ).rgb * morphTargetInfluences[ i ];
		#endif
	}
#endif`,P0=`#ifdef USE_MORPHNORMALS
	objectNormal *= morphTargetBaseInfluence;
	for ( int i = 0; i < MORPHTARGETS_COUNT; i ++ ) {
		if ( morphTargetInfluences[ i ] != 0.0 ) objectNormal += getMorph( gl_VertexID, i, 1 ).xyz * morphTargetInfluences[ i ];
	}
#endif`,L0=`#ifdef USE_MORPHTARGETS
	#ifndef USE_INSTANCING_MORPH
		uniform float morphTargetBaseInfluence;
		uniform float morphTargetInfluences[ MORPHTARGETS_COUNT ];
	#endif
	uniform sampler2DArray morphTargetsTexture;
	uniform ivec2 morphTargetsTextureSize;
	vec4 getMorph( const in int vertexIndex, const in int morphTargetIndex, const in int offset ) {
		int texelIndex = vertexIndex * MORPHTARGETS_TEXTURE_STRIDE + offset;
		int y = texelIndex / morphTargetsTextureSize.x;
		int x = texelIndex - y * morphTargetsTextureSize.x;
		ivec3 morphUV = ivec3( x, y, morphTargetIndex );
		return texelFetch( morphTargetsTexture, morphUV, 0 );
	}
#endif`,N0=`#ifdef USE_MORPHTARGETS
	transformed *= morphTargetBaseInfluence;
	for ( int i = 0; i < MORPHTARGETS_COUNT; i ++ ) {
		if ( morphTargetInfluences[ i ] != 0.0 ) transformed += getMorph( gl_VertexID, i, 0 ).xyz * morphTargetInfluences[ i ];
	}
#endif`,D0=`float faceDirection = gl_FrontFacing ? 1.0 : - 1.0;
#ifdef FLAT_SHADED
	vec3 fdx = dFdx( vViewPosition );
	vec3 fdy = dFdy( vViewPosition );
	vec3 normal = normalize( cross( fdx, fdy ) );
#else
	vec3 normal = normalize( vNormal );
	#ifdef DOUBLE_SIDED
		normal *= faceDirection;
	#endif
#endif
#if defined( USE_NORMALMAP_TANGENTSPACE ) || defined( USE_CLEARCOAT_NORMALMAP ) || defined( USE_ANISOTROPY )
	#ifdef USE_TANGENT
		mat3 tbn = mat3( normalize( vTangent ), normalize( vBitangent ), normal );
	#else
		mat3 tbn = getTangentFrame( - vViewPosition, normal,
		#if defined( USE_NORMALMAP )
			vNormalMapUv
		#elif defined( USE_CLEARCOAT_NORMALMAP )
			vClearcoatNormalMapUv
		#else
			vUv
		#endif
		);
	#endif
	#ifdef DOUBLE_SIDED
		tbn[0] *= faceDirection;
		tbn[1] *= faceDirection;
	#endif
#endif
#ifdef USE_CLEARCOAT_NORMALMAP
	#ifdef USE_TANGENT
		mat3 tbn2 = mat3( normalize( vTangent ), normalize( vBitangent ), normal );
	#else
		mat3 tbn2 = getTangentFrame( - vViewPosition, normal, vClearcoatNormalMapUv );
	#endif
	#ifdef DOUBLE_SIDED
		tbn2[0] *= faceDirection;
		tbn2[1] *= faceDirection;
	#endif
#endif
vec3 nonPerturbedNormal = normal;`,U0=`#ifdef USE_NORMALMAP_OBJECTSPACE
	normal = texture2D( normalMap, vNormalMapUv ).xyz * 2.0 - 1.0;
	#ifdef FLIP_SIDED
		normal = - normal;
	#endif
	#ifdef DOUBLE_SIDED
		normal = normal * faceDirection;
	#endif
	normal = normalize( normalMatrix * normal );
#elif defined( USE_NORMALMAP_TANGENTSPACE )
	vec3 mapN = texture2D( normalMap, vNormalMapUv ).xyz * 2.0 - 1.0;
	#if defined( USE_PACKED_NORMALMAP )
		mapN = vec3( mapN.xy, sqrt( saturate( 1.0 - dot( mapN.xy, mapN.xy ) ) ) );
	#endif
	mapN.xy *= normalScale;
	normal = normalize( tbn * mapN );
#elif defined( USE_BUMPMAP )
	normal = perturbNormalArb( - vViewPosition, normal, dHdxy_fwd(), faceDirection );
#endif`,F0=`#ifndef FLAT_SHADED
	varying vec3 vNormal;
	#ifdef USE_TANGENT
		varying vec3 vTangent;
		varying vec3 vBitangent;
	#endif
#endif`,O0=`#ifndef FLAT_SHADED
	varying vec3 vNormal;
	#ifdef USE_TANGENT
		varying vec3 vTangent;
		varying vec3 vBitangent;
	#endif
#endif`,B0=`#ifndef FLAT_SHADED
	vNormal = normalize( transformedNormal );
	#ifdef USE_TANGENT
		vTangent = normalize( transformedTangent );
		vBitangent = normalize( cross( vNormal, vTangent ) * tangent.w );
		#ifdef FLIP_SIDED
			vBitangent = - vBitangent;
		#endif
	#endif
#endif`,k0=`#ifdef USE_NORMALMAP
	uniform sampler2D normalMap;
	uniform vec2 normalScale;
#endif
#ifdef USE_NORMALMAP_OBJECTSPACE
	uniform mat3 normalMatrix;
#endif
#if ! defined ( USE_TANGENT ) && ( defined ( USE_NORMALMAP_TANGENTSPACE ) || defined ( USE_CLEARCOAT_NORMALMAP ) || defined( USE_ANISOTROPY ) )
	mat3 getTangentFrame( vec3 eye_pos, vec3 surf_norm, vec2 uv ) {
		vec3 q0 = dFdx( eye_pos.xyz );
		vec3 q1 = dFdy( eye_pos.xyz );
		vec2 st0 = dFdx( uv.st );
		vec2 st1 = dFdy( uv.st );
		vec3 N = surf_norm;
		vec3 q1perp = cross( q1, N );
		vec3 q0perp = cross( N, q0 );
		vec3 T = q1perp * st0.x + q0perp * st1.x;
		vec3 B = q1perp * st0.y + q0perp * st1.y;
		float det = max( dot( T, T ), dot( B, B ) );
		float scale = ( det == 0.0 ) ? 0.0 : inversesqrt( det );
		return mat3( T * scale, B * scale, N );
	}
#endif`,z0=`#ifdef USE_CLEARCOAT
	vec3 clearcoatNormal = nonPerturbedNormal;
#endif`,G0=`#ifdef USE_CLEARCOAT_NORMALMAP
	vec3 clearcoatMapN = texture2D( clearcoatNormalMap, vClearcoatNormalMapUv ).xyz * 2.0 - 1.0;
	clearcoatMapN.xy *= clearcoatNormalScale;
	clearcoatNormal = normalize( tbn2 * clearcoatMapN );
#endif`,V0=`#ifdef USE_CLEARCOATMAP
	uniform sampler2D clearcoatMap;
#endif
#ifdef USE_CLEARCOAT_NORMALMAP
	uniform sampler2D clearcoatNormalMap;
	uniform vec2 clearcoatNormalScale;
#endif
#ifdef USE_CLEARCOAT_ROUGHNESSMAP
	uniform sampler2D clearcoatRoughnessMap;
#endif`,H0=`#ifdef USE_IRIDESCENCEMAP
	uniform sampler2D iridescenceMap;
#endif
#ifdef USE_IRIDESCENCE_THICKNESSMAP
	uniform sampler2D iridescenceThicknessMap;
#endif`,W0=`#ifdef OPAQUE
diffuseColor.a = 1.0;
#endif
#ifdef USE_TRANSMISSION
diffuseColor.a *= material.transmissionAlpha;
#endif
gl_FragColor = vec4( outgoingLight, diffuseColor.a );`,X0=`vec3 packNormalToRGB( const in vec3 normal ) {
	return normalize( normal ) * 0.5 + 0.5;
}
vec3 unpackRGBToNormal( const in vec3 rgb ) {
	return 2.0 * rgb.xyz - 1.0;
}
const float PackUpscale = 256. / 255.;const float UnpackDownscale = 255. / 256.;const float ShiftRight8 = 1. / 256.;
const float Inv255 = 1. / 255.;
const vec4 PackFactors = vec4( 1.0, 256.0, 256.0 * 256.0, 256.0 * 256.0 * 256.0 );
const vec2 UnpackFactors2 = vec2( UnpackDownscale, 1.0 / PackFactors.g );
const vec3 UnpackFactors3 = vec3( UnpackDownscale / PackFactors.rg, 1.0 / PackFactors.b );
const vec4 UnpackFactors4 = vec4( UnpackDownscale / PackFactors.rgb, 1.0 / PackFactors.a );
vec4 packDepthToRGBA( const in float v ) {
	if( v <= 0.0 )
		return vec4( 0., 0., 0., 0. );
	if( v >= 1.0 )
		return vec4( 1., 1., 1., 1. );
	float vuf;
	float af = modf( v * PackFactors.a, vuf );
	float bf = modf( vuf * ShiftRight8, vuf );
	float gf = modf( vuf * ShiftRight8, vuf );
	return vec4( vuf * Inv255, gf * PackUpscale, bf * PackUpscale, af );
}
vec3 packDepthToRGB( const in float v ) {
	if( v <= 0.0 )
		return vec3( 0., 0., 0. );
	if( v >= 1.0 )
		return vec3( 1., 1., 1. );
	float vuf;
	float bf = modf( v * PackFactors.b, vuf );
	float gf = modf( vuf * ShiftRight8, vuf );
	return vec3( vuf * Inv255, gf * PackUpscale, bf );
}
vec2 packDepthToRG( const in float v ) {
	if( v <= 0.0 )
		return vec2( 0., 0. );
	if( v >= 1.0 )
		return vec2( 1., 1. );
	float vuf;
	float gf = modf( v * 256., vuf );
	return vec2( vuf * Inv255, gf );
}
float unpackRGBAToDepth( const in vec4 v ) {
	return dot( v, UnpackFactors4 );
}
float unpackRGBToDepth( const in vec3 v ) {
	return dot( v, UnpackFactors3 );
}
float unpackRGToDepth( const in vec2 v ) {
	return v.r * UnpackFactors2.r + v.g * UnpackFactors2.g;
}
vec4 pack2HalfToRGBA( const in vec2 v ) {
	vec4 r = vec4( v.x, fract( v.x * 255.0 ), v.y, fract( v.y * 255.0 ) );
	return vec4( r.x - r.y / 255.0, r.y, r.z - r.w / 255.0, r.w );
}
vec2 unpackRGBATo2Half( const in vec4 v ) {
	return vec2( v.x + ( v.y / 255.0 ), v.z + ( v.w / 255.0 ) );
}
float viewZToOrthographicDepth( const in float viewZ, const in float near, const in float far ) {
	return ( viewZ + near ) / ( near - far );
}
float orthographicDepthToViewZ( const in float depth, const in float near, const in float far ) {
	#ifdef USE_REVERSED_DEPTH_BUFFER
	
		return depth * ( far - near ) - far;
	#else
		return depth * ( near - far ) - near;
	#endif
}
float viewZToPerspectiveDepth( const in float viewZ, const in float near, const in float far ) {
	return ( ( near + viewZ ) * far ) / ( ( far - near ) * viewZ );
}
float perspectiveDepthToViewZ( const in float depth, const in float near, const in float far ) {
	
	#ifdef USE_REVERSED_DEPTH_BUFFER
		return ( near * far ) / ( ( near - far ) * depth - near );
	#else
		return ( near * far ) / ( ( far - near ) * depth - far );
	#endif
}`,q0=`#ifdef PREMULTIPLIED_ALPHA
	gl_FragColor.rgb *= gl_FragColor.a;
#endif`,$0=`vec4 mvPosition = vec4( transformed, 1.0 );
#ifdef USE_BATCHING
	mvPosition = batchingMatrix * mvPosition;
#endif
#ifdef USE_INSTANCING
	mvPosition = instanceMatrix * mvPosition;
#endif
mvPosition = modelViewMatrix * mvPosition;
gl_Position = projectionMatrix * mvPosition;`,Y0=`#ifdef DITHERING
	gl_FragColor.rgb = dithering( gl_FragColor.rgb );
#endif`,Z0=`#ifdef DITHERING
	vec3 dithering( vec3 color ) {
		float grid_position = rand( gl_FragCoord.xy );
		vec3 dither_shift_RGB = vec3( 0.25 / 255.0, -0.25 / 255.0, 0.25 / 255.0 );
		dither_shift_RGB = mix( 2.0 * dither_shift_RGB, -2.0 * dither_shift_RGB, grid_position );
		return color + dither_shift_RGB;
	}
#endif`,J0=`float roughnessFactor = roughness;
#ifdef USE_ROUGHNESSMAP
	vec4 texelRoughness = texture2D( roughnessMap, vRoughnessMapUv );
	roughnessFactor *= texelRoughness.g;
#endif`,K0=`#ifdef USE_ROUGHNESSMAP
	uniform sampler2D roughnessMap;
#endif`,j0=`#if NUM_SPOT_LIGHT_COORDS > 0
	varying vec4 vSpotLightCoord[ NUM_SPOT_LIGHT_COORDS ];
#endif
#if NUM_SPOT_LIGHT_MAPS > 0
	uniform sampler2D spotLightMap[ NUM_SPOT_LIGHT_MAPS ];
#endif
#ifdef USE_SHADOWMAP
	#if NUM_SUN_LIGHT_SHADOWS > 0
		#define SUN_LIGHT_CASCADES 2
		#if defined( SHADOWMAP_TYPE_PCF )
			uniform sampler2DShadow sunShadowMap[ NUM_SUN_LIGHT_SHADOWS ];
		#else
			uniform sampler2D sunShadowMap[ NUM_SUN_LIGHT_SHADOWS ];
		#endif
		uniform mat4 sunShadowMatrix[ NUM_SUN_LIGHT_SHADOWS * SUN_LIGHT_CASCADES ];
		uniform vec4 sunShadowCascade[ NUM_SUN_LIGHT_SHADOWS * SUN_LIGHT_CASCADES ];
		varying vec4 vSunShadowWorldPosition;
		varying vec3 vSunShadowWorldNormal;
		struct SunLightShadow {
			float shadowIntensity;
			float shadowBias;
			float shadowNormalBias;
			float shadowRadius;
			vec2 shadowMapSize;
		};
		uniform SunLightShadow sunLightShadows[ NUM_SUN_LIGHT_SHADOWS ];
	#endif
	#if NUM_DIR_LIGHT_SHADOWS > 0
		#if defined( SHADOWMAP_TYPE_PCF )
			uniform sampler2DShadow directionalShadowMap[ NUM_DIR_LIGHT_SHADOWS ];
		#else
			uniform sampler2D directionalShadowMap[ NUM_DIR_LIGHT_SHADOWS ];
		#endif
		varying vec4 vDirectionalShadowCoord[ NUM_DIR_LIGHT_SHADOWS ];
		struct DirectionalLightShadow {
			float shadowIntensity;
			float shadowBias;
			float shadowNormalBias;
			float shadowRadius;
			vec2 shadowMapSize;
		};
		uniform DirectionalLightShadow directionalLightShadows[ NUM_DIR_LIGHT_SHADOWS ];
	#endif
	#if NUM_SPOT_LIGHT_SHADOWS > 0
		#if defined( SHADOWMAP_TYPE_PCF )
			uniform sampler2DShadow spotShadowMap[ NUM_SPOT_LIGHT_SHADOWS ];
		#else
			uniform sampler2D spotShadowMap[ NUM_SPOT_LIGHT_SHADOWS ];
		#endif
		struct SpotLightShadow {
			float shadowIntensity;
			float shadowBias;
			float shadowNormalBias;
			float shadowRadius;
			vec2 shadowMapSize;
		};
		uniform SpotLightShadow spotLightShadows[ NUM_SPOT_LIGHT_SHADOWS ];
	#endif
	#if NUM_POINT_LIGHT_SHADOWS > 0
		#if defined( SHADOWMAP_TYPE_PCF )
			uniform samplerCubeShadow pointShadowMap[ NUM_POINT_LIGHT_SHADOWS ];
		#elif defined( SHADOWMAP_TYPE_BASIC )
			uniform samplerCube pointShadowMap[ NUM_POINT_LIGHT_SHADOWS ];
		#endif
		varying vec4 vPointShadowCoord[ NUM_POINT_LIGHT_SHADOWS ];
		struct PointLightShadow {
			float shadowIntensity;
			float shadowBias;
			float shadowNormalBias;
			float shadowRadius;
			vec2 shadowMapSize;
			float shadowCameraNear;
			float shadowCameraFar;
		};
		uniform PointLightShadow pointLightShadows[ NUM_POINT_LIGHT_SHADOWS ];
	#endif
	#if defined( SHADOWMAP_TYPE_PCF )
		float interleavedGradientNoise( vec2 position ) {
			return fract( 52.9829189 * fract( dot( position, vec2( 0.06711056, 0.00583715 ) ) ) );
		}
		vec2 vogelDiskSample( int sampleIndex, int samplesCount, float phi ) {
			const float goldenAngle = 2.399963229728653;
			float r = sqrt( ( float( sampleIndex ) + 0.5 ) / float( samplesCount ) );
			float theta = float( sampleIndex ) * goldenAngle + phi;
			return vec2( cos( theta ), sin( theta ) ) * r;
		}
	#endif
	#if defined( SHADOWMAP_TYPE_PCF )
		float getShadow( sampler2DShadow shadowMap, vec2 shadowMapSize, float shadowIntensity, float shadowBias, float shadowRadius, vec4 shadowCoord ) {
			float shadow = 1.0;
			shadowCoord.xyz /= shadowCoord.w;
			#ifdef USE_REVERSED_DEPTH_BUFFER
				shadowCoord.z -= shadowBias;
			#else
				shadowCoord.z += shadowBias;
			#endif
			bool inFrustum = shadowCoord.x >= 0.0 && shadowCoord.x <= 1.0 && shadowCoord.y >= 0.0 && shadowCoord.y <= 1.0;
			bool frustumTest = inFrustum && shadowCoord.z <= 1.0;
			if ( frustumTest ) {
				vec2 texelSize = vec2( 1.0 ) / shadowMapSize;
				vec2 radius = shadowRadius * texelSize;
				float phi = interleavedGradientNoise( gl_FragCoord.xy ) * PI2;
				shadow = (
					texture( shadowMap, vec3( shadowCoord.xy + vogelDiskSample( 0, 5, phi ) * radius, shadowCoord.z ) ) +
					texture( shadowMap, vec3( shadowCoord.xy + vogelDiskSample( 1, 5, phi ) * radius, shadowCoord.z ) ) +
					texture( shadowMap, vec3( shadowCoord.xy + vogelDiskSample( 2, 5, phi ) * radius, shadowCoord.z ) ) +
					texture( shadowMap, vec3( shadowCoord.xy + vogelDiskSample( 3, 5, phi ) * radius, shadowCoord.z ) ) +
					texture( shadowMap, vec3( shadowCoord.xy + vogelDiskSample( 4, 5, phi ) * radius, shadowCoord.z ) )
				) * 0.2;
			}
			return mix( 1.0, shadow, shadowIntensity );
		}
	#elif defined( SHADOWMAP_TYPE_VSM )
		float getShadow( sampler2D shadowMap, vec2 shadowMapSize, float shadowIntensity, float shadowBias, float shadowRadius, vec4 shadowCoord ) {
			float shadow = 1.0;
			shadowCoord.xyz /= shadowCoord.w;
			#ifdef USE_REVERSED_DEPTH_BUFFER
				shadowCoord.z -= shadowBias;
			#else
				shadowCoord.z += shadowBias;
			#endif
			bool inFrustum = shadowCoord.x >= 0.0 && shadowCoord.x <= 1.0 && shadowCoord.y >= 0.0 && shadowCoord.y <= 1.0;
			bool frustumTest = inFrustum && shadowCoord.z <= 1.0;
			if ( frustumTest ) {
				vec2 distribution = texture2D( shadowMap, shadowCoord.xy ).rg;
				float mean = distribution.x;
				float variance = distribution.y * distribution.y;
				#ifdef USE_REVERSED_DEPTH_BUFFER
					float hard_shadow = step( mean, shadowCoord.z );
				#else
					float hard_shadow = step( shadowCoord.z, mean );
				#endif
				
				if ( hard_shadow == 1.0 ) {
					shadow = 1.0;
				} else {
					variance = max( variance, 0.0000001 );
					float d = shadowCoord.z - mean;
					float p_max = variance / ( variance + d * d );
					p_max = clamp( ( p_max - 0.3 ) / 0.65, 0.0, 1.0 );
					shadow = max( hard_shadow, p_max );
				}
			}
			return mix( 1.0, shadow, shadowIntensity );
		}
	#else
		float getShadow( sampler2D shadowMap, vec2 shadowMapSize, float shadowIntensity, float shadowBias, float shadowRadius, vec4 shadowCoord ) {
			float shadow = 1.0;
			shadowCoord.xyz /= shadowCoord.w;
			#ifdef USE_REVERSED_DEPTH_BUFFER
				shadowCoord.z -= shadowBias;
			#else
				shadowCoord.z += shadowBias;
			#endif
			bool inFrustum = shadowCoord.x >= 0.0 && shadowCoord.x <= 1.0 && shadowCoord.y >= 0.0 && shadowCoord.y <= 1.0;
			bool frustumTest = inFrustum && shadowCoord.z <= 1.0;
			if ( frustumTest ) {
				float depth = texture2D( shadowMap, shadowCoord.xy ).r;
				#ifdef USE_REVERSED_DEPTH_BUFFER
					shadow = step( depth, shadowCoord.z );
				#else
					shadow = step( shadowCoord.z, depth );
				#endif
			}
			return mix( 1.0, shadow, shadowIntensity );
		}
	#endif
	#if NUM_SUN_LIGHT_SHADOWS > 0
		float getSunShadow(
			#if defined( SHADOWMAP_TYPE_PCF )
				sampler2DShadow shadowMap,
			#else
				sampler2D shadowMap,
			#endif
			SunLightShadow sunLightShadow,
			int shadowIndex
		) {
			vec4 shadowWorldPosition = vec4( vSunShadowWorldPosition.xyz + vSunShadowWorldNormal * sunLightShadow.shadowNormalBias, 1.0 );
			float viewDepth = vSunShadowWorldPosition.w;
			int cascadeOffset = shadowIndex * SUN_LIGHT_CASCADES;
			float shadow = 1.0;
			for ( int i = SUN_LIGHT_CASCADES - 1; i >= 0; i -- ) {
				vec4 cascade = sunShadowCascade[ cascadeOffset + i ];
				if ( viewDepth >= cascade.x && viewDepth < cascade.y ) {
					float cascadeShadow = getShadow(
						shadowMap,
						sunLightShadow.shadowMapSize,
						sunLightShadow.shadowIntensity,
						sunLightShadow.shadowBias,
						sunLightShadow.shadowRadius,
						sunShadowMatrix[ cascadeOffset + i ] * shadowWorldPosition
					);
					shadow = mix( cascadeShadow, shadow, smoothstep( cascade.z, cascade.y, viewDepth ) );
				}
			}
			return shadow;
		}
	#endif
	#if NUM_POINT_LIGHT_SHADOWS > 0
	#if defined( SHADOWMAP_TYPE_PCF )
	float getPointShadow( samplerCubeShadow shadowMap, vec2 shadowMapSize, float shadowIntensity, float shadowBias, float shadowRadius, vec4 shadowCoord, float shadowCameraNear, float shadowCameraFar ) {
		float shadow = 1.0;
		vec3 lightToPosition = shadowCoord.xyz;
		vec3 bd3D = normalize( lightToPosition );
		vec3 absVec = abs( lightToPosition );
		float viewSpaceZ = max( max( absVec.x, absVec.y ), absVec.z );
		if ( viewSpaceZ - shadowCameraFar <= 0.0 && viewSpaceZ - shadowCameraNear >= 0.0 ) {
			float lightDistance = length( lightToPosition );
			float depthRange = shadowCameraFar - shadowCameraNear;
			#ifdef USE_REVERSED_DEPTH_BUFFER
				float depthA = - shadowCameraNear / depthRange - shadowBias;
				float depthB = shadowCameraNear * shadowCameraFar / ( depthRange * lightDistance );
			#else
				float depthA = shadowCameraFar / depthRange + shadowBias;
				float depthB = - shadowCameraNear * shadowCameraFar / ( depthRange * lightDistance );
			#endif
			float texelSize = shadowRadius / shadowMapSize.x;
			vec3 absDir = abs( bd3D );
			vec3 tangent = absDir.x > absDir.z ? vec3( 0.0, 1.0, 0.0 ) : vec3( 1.0, 0.0, 0.0 );
			tangent = normalize( cross( bd3D, tangent ) );
			vec3 bitangent = cross( bd3D, tangent );
			float phi = interleavedGradientNoise( gl_FragCoord.xy ) * PI2;
			shadow = 0.0;
			for ( int i = 0; i < 5; i ++ ) {
				vec2 offset = vogelDiskSample( i, 5, phi );
				vec3 direction = bd3D + ( tangent * offset.x + bitangent * offset.y ) * texelSize;
				vec3 absDirection = abs( direction );
				float dp = depthA + depthB / max( max( absDirection.x, absDirection.y ), absDirection.z );
				shadow += texture( shadowMap, vec4( direction, dp ) );
			}
			shadow *= 0.2;
		}
		return mix( 1.0, shadow, shadowIntensity );
	}
	#elif defined( SHADOWMAP_TYPE_BASIC )
	float getPointShadow( samplerCube shadowMap, vec2 shadowMapSize, float shadowIntensity, float shadowBias, float shadowRadius, vec4 shadowCoord, float shadowCameraNear, float shadowCameraFar ) {
		float shadow = 1.0;
		vec3 lightToPosition = shadowCoord.xyz;
		vec3 absVec = abs( lightToPosition );
		float viewSpaceZ = max( max( absVec.x, absVec.y ), absVec.z );
		if ( viewSpaceZ - shadowCameraFar <= 0.0 && viewSpaceZ - shadowCameraNear >= 0.0 ) {
			float dp = ( shadowCameraFar * ( viewSpaceZ - shadowCameraNear ) ) / ( viewSpaceZ * ( shadowCameraFar - shadowCameraNear ) );
			dp += shadowBias;
			vec3 bd3D = normalize( lightToPosition );
			float depth = textureCube( shadowMap, bd3D ).r;
			#ifdef USE_REVERSED_DEPTH_BUFFER
				depth = 1.0 - depth;
			#endif
			shadow = step( dp, depth );
		}
		return mix( 1.0, shadow, shadowIntensity );
	}
	#endif
	#endif
#endif`,Q0=`#if NUM_SPOT_LIGHT_COORDS > 0
	uniform mat4 spotLightMatrix[ NUM_SPOT_LIGHT_COORDS ];
	varying vec4 vSpotLightCoord[ NUM_SPOT_LIGHT_COORDS ];
#endif
#ifdef USE_SHADOWMAP
	#if NUM_SUN_LIGHT_SHADOWS > 0
		varying vec4 vSunShadowWorldPosition;
		varying vec3 vSunShadowWorldNormal;
	#endif
	#if NUM_DIR_LIGHT_SHADOWS > 0
		uniform mat4 directionalShadowMatrix[ NUM_DIR_LIGHT_SHADOWS ];
		varying vec4 vDirectionalShadowCoord[ NUM_DIR_LIGHT_SHADOWS ];
		struct DirectionalLightShadow {
			float shadowIntensity;
			float shadowBias;
			float shadowNormalBias;
			float shadowRadius;
			vec2 shadowMapSize;
		};
		uniform DirectionalLightShadow directionalLightShadows[ NUM_DIR_LIGHT_SHADOWS ];
	#endif
	#if NUM_SPOT_LIGHT_SHADOWS > 0
		struct SpotLightShadow {
			float shadowIntensity;
			float shadowBias;
			float shadowNormalBias;
			float shadowRadius;
			vec2 shadowMapSize;
		};
		uniform SpotLightShadow spotLightShadows[ NUM_SPOT_LIGHT_SHADOWS ];
	#endif
	#if NUM_POINT_LIGHT_SHADOWS > 0
		uniform mat4 pointShadowMatrix[ NUM_POINT_LIGHT_SHADOWS ];
		varying vec4 vPointShadowCoord[ NUM_POINT_LIGHT_SHADOWS ];
		struct PointLightShadow {
			float shadowIntensity;
			float shadowBias;
			float shadowNormalBias;
			float shadowRadius;
			vec2 shadowMapSize;
			float shadowCameraNear;
			float shadowCameraFar;
		};
		uniform PointLightShadow pointLightShadows[ NUM_POINT_LIGHT_SHADOWS ];
	#endif
#endif`,ey=`#if ( defined( USE_SHADOWMAP ) && ( NUM_DIR_LIGHT_SHADOWS > 0 || NUM_SUN_LIGHT_SHADOWS > 0 || NUM_POINT_LIGHT_SHADOWS > 0 ) ) || ( NUM_SPOT_LIGHT_COORDS > 0 )
	#ifdef HAS_NORMAL
		vec3 shadowWorldNormal = transformNormalByInverseViewMatrix( transformedNormal, viewMatrix );
	#else
		vec3 shadowWorldNormal = vec3( 0.0 );
	#endif
	vec4 shadowWorldPosition;
#endif
#if defined( USE_SHADOWMAP )
	#if NUM_SUN_LIGHT_SHADOWS > 0
		vSunShadowWorldPosition = vec4( worldPosition.xyz, - mvPosition.z );
		vSunShadowWorldNormal = shadowWorldNormal;
	#endif
	#if NUM_DIR_LIGHT_SHADOWS > 0
		#pragma unroll_loop_start
		for ( int i = 0; i < NUM_DIR_LIGHT_SHADOWS; i ++ ) {
			shadowWorldPosition = worldPosition + vec4( shadowWorldNormal * directionalLightShadows[ i ].shadowNormalBias, 0 );
			vDirectionalShadowCoord[ i ] = directionalShadowMatrix[ i ] * shadowWorldPosition;
		}
		#pragma unroll_loop_end
	#endif
	#if NUM_POINT_LIGHT_SHADOWS > 0
		#pragma unroll_loop_start
		for ( int i = 0; i < NUM_POINT_LIGHT_SHADOWS; i ++ ) {
			shadowWorldPosition = worldPosition + vec4( shadowWorldNormal * pointLightShadows[ i ].shadowNormalBias, 0 );
			vPointShadowCoord[ i ] = pointShadowMatrix[ i ] * shadowWorldPosition;
		}
		#pragma unroll_loop_end
	#endif
#endif
#if NUM_SPOT_LIGHT_COORDS > 0
	#pragma unroll_loop_start
	for ( int i = 0; i < NUM_SPOT_LIGHT_COORDS; i ++ ) {
		shadowWorldPosition = worldPosition;
		#if ( defined( USE_SHADOWMAP ) && UNROLLED_LOOP_INDEX < NUM_SPOT_LIGHT_SHADOWS )
			shadowWorldPosition.xyz += shadowWorldNormal * spotLightShadows[ i ].shadowNormalBias;
		#endif
		vSpotLightCoord[ i ] = spotLightMatrix[ i ] * shadowWorldPosition;
	}
	#pragma unroll_loop_end
#endif`,ty=`float getShadowMask() {
	float shadow = 1.0;
	#ifdef USE_SHADOWMAP
	#if NUM_SUN_LIGHT_SHADOWS > 0
	SunLightShadow sunLight;
	#pragma unroll_loop_start
	for ( int i = 0; i < NUM_SUN_LIGHT_SHADOWS; i ++ ) {
		sunLight = sunLightShadows[ i ];
		shadow *= receiveShadow ? getSunShadow( sunShadowMap[ i ], sunLight, UNROLLED_LOOP_INDEX ) : 1.0;
	}
	#pragma unroll_loop_end
	#endif
	#if NUM_DIR_LIGHT_SHADOWS > 0
	DirectionalLightShadow directionalLight;
	#pragma unroll_loop_start
	for ( int i = 0; i < NUM_DIR_LIGHT_SHADOWS; i ++ ) {
		directionalLight = directionalLightShadows[ i ];
		shadow *= receiveShadow ? getShadow( directionalShadowMap[ i ], directionalLight.shadowMapSize, directionalLight.shadowIntensity, directionalLight.shadowBias, directionalLight.shadowRadius, vDirectionalShadowCoord[ i ] ) : 1.0;
	}
	#pragma unroll_loop_end
	#endif
	#if NUM_SPOT_LIGHT_SHADOWS > 0
	SpotLightShadow spotLight;
	#pragma unroll_loop_start
	for ( int i = 0; i < NUM_SPOT_LIGHT_SHADOWS; i ++ ) {
		spotLight = spotLightShadows[ i ];
		shadow *= receiveShadow ? getShadow( spotShadowMap[ i ], spotLight.shadowMapSize, spotLight.shadowIntensity, spotLight.shadowBias, spotLight.shadowRadius, vSpotLightCoord[ i ] ) : 1.0;
	}
	#pragma unroll_loop_end
	#endif
	#if NUM_POINT_LIGHT_SHADOWS > 0 && ( defined( SHADOWMAP_TYPE_PCF ) || defined( SHADOWMAP_TYPE_BASIC ) )
	PointLightShadow pointLight;
	#pragma unroll_loop_start
	for ( int i = 0; i < NUM_POINT_LIGHT_SHADOWS; i ++ ) {
		pointLight = pointLightShadows[ i ];
		shadow *= receiveShadow ? getPointShadow( pointShadowMap[ i ], pointLight.shadowMapSize, pointLight.shadowIntensity, pointLight.shadowBias, pointLight.shadowRadius, vPointShadowCoord[ i ], pointLight.shadowCameraNear, pointLight.shadowCameraFar ) : 1.0;
	}
	#pragma unroll_loop_end
	#endif
	#endif
	return shadow;
}`,ny=`#ifdef USE_SKINNING
	mat4 boneMatX = getBoneMatrix( skinIndex.x );
	mat4 boneMatY = getBoneMatrix( skinIndex.y );
	mat4 boneMatZ = getBoneMatrix( skinIndex.z );
	mat4 boneMatW = getBoneMatrix( skinIndex.w );
#endif`,iy=`#ifdef USE_SKINNING
	uniform mat4 bindMatrix;
	uniform mat4 bindMatrixInverse;
	uniform highp sampler2D boneTexture;
	mat4 getBoneMatrix( const in float i ) {
		int size = textureSize( boneTexture, 0 ).x;
		int j = int( i ) * 4;
		int x = j % size;
		int y = j / size;
		vec4 v1 = texelFetch( boneTexture, ivec2( x, y ), 0 );
		vec4 v2 = texelFetch( boneTexture, ivec2( x + 1, y ), 0 );
		vec4 v3 = texelFetch( boneTexture, ivec2( x + 2, y ), 0 );
		vec4 v4 = texelFetch( boneTexture, ivec2( x + 3, y ), 0 );
		return mat4( v1, v2, v3, v4 );
	}
#endif`,sy=`#ifdef USE_SKINNING
	vec4 skinVertex = bindMatrix * vec4( transformed, 1.0 );
	vec4 skinned = vec4( 0.0 );
	skinned += boneMatX * skinVertex * skinWeight.x;
	skinned += boneMatY * skinVertex * skinWeight.y;
	skinned += boneMatZ * skinVertex * skinWeight.z;
	skinned += boneMatW * skinVertex * skinWeight.w;
	transformed = ( bindMatrixInverse * skinned ).xyz;
#endif`,ry=`#ifdef USE_SKINNING
	mat4 skinMatrix = mat4( 0.0 );
	skinMatrix += skinWeight.x * boneMatX;
	skinMatrix += skinWeight.y * boneMatY;
	skinMatrix += skinWeight.z * boneMatZ;
	skinMatrix += skinWeight.w * boneMatW;
	skinMatrix = bindMatrixInverse * skinMatrix * bindMatrix;
	objectNormal = vec4( skinMatrix * vec4( objectNormal, 0.0 ) ).xyz;
	#ifdef USE_TANGENT
		objectTangent = vec4( skinMatrix * vec4( objectTangent, 0.0 ) ).xyz;
	#endif
#endif`,oy=`float specularStrength;
#ifdef USE_SPECULARMAP
	vec4 texelSpecular = texture2D( specularMap, vSpecularMapUv );
	specularStrength = texelSpecular.r;
#else
	specularStrength = 1.0;
#endif`,ay=`#ifdef USE_SPECULARMAP
	uniform sampler2D specularMap;
#endif`,ly=`#if defined( TONE_MAPPING )
	gl_FragColor.rgb = toneMapping( gl_FragColor.rgb );
#endif`,cy=`#ifndef saturate
#define saturate( a ) clamp( a, 0.0, 1.0 )
#endif
uniform float toneMappingExposure;
vec3 LinearToneMapping( vec3 color ) {
	return saturate( toneMappingExposure * color );
}
vec3 ReinhardToneMapping( vec3 color ) {
	color *= toneMappingExposure;
	return saturate( color / ( vec3( 1.0 ) + color ) );
}
vec3 CineonToneMapping( vec3 color ) {
	color *= toneMappingExposure;
	color = max( vec3( 0.0 ), color - 0.004 );
	return pow( ( color * ( 6.2 * color + 0.5 ) ) / ( color * ( 6.2 * color + 1.7 ) + 0.06 ), vec3( 2.2 ) );
}
vec3 RRTAndODTFit( vec3 v ) {
	vec3 a = v * ( v + 0.0245786 ) - 0.000090537;
	vec3 b = v * ( 0.983729 * v + 0.4329510 ) + 0.238081;
	return a / b;
}
vec3 ACESFilmicToneMapping( vec3 color ) {
	const mat3 ACESInputMat = mat3(
		vec3( 0.59719, 0.07600, 0.02840 ),		vec3( 0.35458, 0.90834, 0.13383 ),
		vec3( 0.04823, 0.01566, 0.83777 )
	);
	const mat3 ACESOutputMat = mat3(
		vec3(  1.60475, -0.10208, -0.00327 ),		vec3( -0.53108,  1.10813, -0.07276 ),
		vec3( -0.07367, -0.00605,  1.07602 )
	);
	color *= toneMappingExposure / 0.6;
	color = ACESInputMat * color;
	color = RRTAndODTFit( color );
	color = ACESOutputMat * color;
	return saturate( color );
}
const mat3 LINEAR_REC2020_TO_LINEAR_SRGB = mat3(
	vec3( 1.6605, - 0.1246, - 0.0182 ),
	vec3( - 0.5876, 1.1329, - 0.1006 ),
	vec3( - 0.0728, - 0.0083, 1.1187 )
);
const mat3 LINEAR_SRGB_TO_LINEAR_REC2020 = mat3(
	vec3( 0.6274, 0.0691, 0.0164 ),
	vec3( 0.3293, 0.9195, 0.0880 ),
	vec3( 0.0433, 0.0113, 0.8956 )
);
vec3 agxDefaultContrastApprox( vec3 x ) {
	vec3 x2 = x * x;
	vec3 x4 = x2 * x2;
	return + 15.5 * x4 * x2
		- 40.14 * x4 * x
		+ 31.96 * x4
		- 6.868 * x2 * x
		+ 0.4298 * x2
		+ 0.1191 * x
		- 0.00232;
}
vec3 AgXToneMapping( vec3 color ) {
	const mat3 AgXInsetMatrix = mat3(
		vec3( 0.856627153315983, 0.137318972929847, 0.11189821299995 ),
		vec3( 0.0951212405381588, 0.761241990602591, 0.0767994186031903 ),
		vec3( 0.0482516061458583, 0.101439036467562, 0.811302368396859 )
	);
	const mat3 AgXOutsetMatrix = mat3(
		vec3( 1.1271005818144368, - 0.1413297634984383, - 0.14132976349843826 ),
		vec3( - 0.11060664309660323, 1.157823702216272, - 0.11060664309660294 ),
		vec3( - 0.016493938717834573, - 0.016493938717834257, 1.2519364065950405 )
	);
	const float AgxMinEv = - 12.47393;	const float AgxMaxEv = 4.026069;
	color *= toneMappingExposure;
	color = LINEAR_SRGB_TO_LINEAR_REC2020 * color;
	color = AgXInsetMatrix * color;
	color = max( color, 1e-10 );	color = log2( color );
	color = ( color - AgxMinEv ) / ( AgxMaxEv - AgxMinEv );
	color = clamp( color, 0.0, 1.0 );
	color = agxDefaultContrastApprox( color );
	color = AgXOutsetMatrix * color;
	color = pow( max( vec3( 0.0 ), color ), vec3( 2.2 ) );
	color = LINEAR_REC2020_TO_LINEAR_SRGB * color;
	color = clamp( color, 0.0, 1.0 );
	return color;
}
vec3 NeutralToneMapping( vec3 color ) {
	const float StartCompression = 0.8 - 0.04;
	const float Desaturation = 0.15;
	color *= toneMappingExposure;
	float x = min( color.r, min( color.g, color.b ) );
	float offset = x < 0.08 ? x - 6.25 * x * x : 0.04;
	color -= offset;
	float peak = max( color.r, max( color.g, color.b ) );
	if ( peak < StartCompression ) return color;
	float d = 1. - StartCompression;
	float newPeak = 1. - d * d / ( peak + d - StartCompression );
	color *= newPeak / peak;
	float g = 1. - 1. / ( Desaturation * ( peak - newPeak ) + 1. );
	return mix( color, vec3( newPeak ), g );
}
vec3 CustomToneMapping( vec3 color ) { return color; }`,uy=`#ifdef USE_TRANSMISSION
	material.transmission = transmission;
	material.transmissionAlpha = 1.0;
	material.thickness = thickness;
	material.attenuationDistance = attenuationDistance;
	material.attenuationColor = attenuationColor;
	#ifdef USE_TRANSMISSIONMAP
		material.transmission *= texture2D( transmissionMap, vTransmissionMapUv ).r;
	#endif
	#ifdef USE_THICKNESSMAP
		material.thickness *= texture2D( thicknessMap, vThicknessMapUv ).g;
	#endif
	vec3 pos = vWorldPosition;
	vec3 v = normalize( cameraPosition - pos );
	vec3 n = transformNormalByInverseViewMatrix( normal, viewMatrix );
	vec4 transmitted = getIBLVolumeRefraction(
		n, v, material.roughness, material.diffuseContribution, material.specularColorBlended, material.specularF90,
		pos, modelMatrix, viewMatrix, projectionMatrix, material.dispersion, material.ior, material.thickness,
		material.attenuationColor, material.attenuationDistance );
	material.transmissionAlpha = mix( material.transmissionAlpha, transmitted.a, material.transmission );
	totalDiffuse = mix( totalDiffuse, transmitted.rgb, material.transmission );
#endif`,hy=`#ifdef USE_TRANSMISSION
	uniform float transmission;
	uniform float thickness;
	uniform float attenuationDistance;
	uniform vec3 attenuationColor;
	#ifdef USE_TRANSMISSIONMAP
		uniform sampler2D transmissionMap;
	#endif
	#ifdef USE_THICKNESSMAP
		uniform sampler2D thicknessMap;
	#endif
	uniform vec2 transmissionSamplerSize;
	uniform sampler2D transmissionSamplerMap;
	uniform mat4 modelMatrix;
	uniform mat4 projectionMatrix;
	varying vec3 vWorldPosition;
	float w0( float a ) {
		return ( 1.0 / 6.0 ) * ( a * ( a * ( - a + 3.0 ) - 3.0 ) + 1.0 );
	}
	float w1( float a ) {
		return ( 1.0 / 6.0 ) * ( a *  a * ( 3.0 * a - 6.0 ) + 4.0 );
	}
	float w2( float a ){
		return ( 1.0 / 6.0 ) * ( a * ( a * ( - 3.0 * a + 3.0 ) + 3.0 ) + 1.0 );
	}
	float w3( float a ) {
		return ( 1.0 / 6.0 ) * ( a * a * a );
	}
	float g0( float a ) {
		return w0( a ) + w1( a );
	}
	float g1( float a ) {
		return w2( a ) + w3( a );
	}
	float h0( float a ) {
		return - 1.0 + w1( a ) / ( w0( a ) + w1( a ) );
	}
	float h1( float a ) {
		return 1.0 + w3( a ) / ( w2( a ) + w3( a ) );
	}
	vec4 bicubic( sampler2D tex, vec2 uv, vec4 texelSize, float lod ) {
		uv = uv * texelSize.zw + 0.5;
		vec2 iuv = floor( uv );
		vec2 fuv = fract( uv );
		float g0x = g0( fuv.x );
		float g1x = g1( fuv.x );
		float h0x = h0( fuv.x );
		float h1x = h1( fuv.x );
		float h0y = h0( fuv.y );
		float h1y = h1( fuv.y );
		vec2 p0 = ( vec2( iuv.x + h0x, iuv.y + h0y ) - 0.5 ) * texelSize.xy;
		vec2 p1 = ( vec2( iuv.x + h1x, iuv.y + h0y ) - 0.5 ) * texelSize.xy;
		vec2 p2 = ( vec2( iuv.x + h0x, iuv.y + h1y ) - 0.5 ) * texelSize.xy;
		vec2 p3 = ( vec2( iuv.x + h1x, iuv.y + h1y ) - 0.5 ) * texelSize.xy;
		return g0( fuv.y ) * ( g0x * textureLod( tex, p0, lod ) + g1x * textureLod( tex, p1, lod ) ) +
			g1( fuv.y ) * ( g0x * textureLod( tex, p2, lod ) + g1x * textureLod( tex, p3, lod ) );
	}
	vec4 textureBicubic( sampler2D sampler, vec2 uv, float lod ) {
		vec2 fLodSize = vec2( textureSize( sampler, int( lod ) ) );
		vec2 cLodSize = vec2( textureSize( sampler, int( lod + 1.0 ) ) );
		vec2 fLodSizeInv = 1.0 / fLodSize;
		vec2 cLodSizeInv = 1.0 / cLodSize;
		vec4 fSample = bicubic( sampler, uv, vec4( fLodSizeInv, fLodSize ), floor( lod ) );
		vec4 cSample = bicubic( sampler, uv, vec4( cLodSizeInv, cLodSize ), ceil( lod ) );
		return mix( fSample, cSample, fract( lod ) );
	}
	vec3 getVolumeTransmissionRay( const in vec3 n, const in vec3 v, const in float thickness, const in float ior, const in mat4 modelMatrix ) {
		vec3 refractionVector = refract( - v, normalize( n ), 1.0 / ior );
		vec3 modelScale;
		modelScale.x = length( vec3( modelMatrix[ 0 ].xyz ) );
		modelScale.y = length( vec3( modelMatrix[ 1 ].xyz ) );
		modelScale.z = length( vec3( modelMatrix[ 2 ].xyz ) );
		return normalize( refractionVector ) * thickness * modelScale;
	}
	float applyIorToRoughness( const in float roughness, const in float ior ) {
		return roughness * clamp( ior * 2.0 - 2.0, 0.0, 1.0 );
	}
	vec4 getTransmissionSample( const in vec2 fragCoord, const in float roughness, const in float ior ) {
		float lod = log2( transmissionSamplerSize.x ) * applyIorToRoughness( roughness, ior );
		return textureBicubic( transmissionSamplerMap, fragCoord.xy, lod );
	}
	vec3 volumeAttenuation( const in float transmissionDistance, const in vec3 attenuationColor, const in float attenuationDistance ) {
		if ( isinf( attenuationDistance ) ) {
			return vec3( 1.0 );
		} else {
			vec3 attenuationCoefficient = -log( attenuationColor ) / attenuationDistance;
			vec3 transmittance = exp( - attenuationCoefficient * transmissionDistance );			return transmittance;
		}
	}
	vec4 getIBLVolumeRefraction( const in vec3 n, const in vec3 v, const in float roughness, const in vec3 diffuseColor,
		const in vec3 specularColor, const in float specularF90, const in vec3 position, const in mat4 modelMatrix,
		const in mat4 viewMatrix, const in mat4 projMatrix, const in float dispersion, const in float ior, const in float thickness,
		const in vec3 attenuationColor, const in float attenuationDistance ) {
		vec4 transmittedLight;
		vec3 transmittance;
		#ifdef USE_DISPERSION
			float halfSpread = ( ior - 1.0 ) * 0.025 * dispersion;
			vec3 iors = vec3( ior - halfSpread, ior, ior + halfSpread );
			for ( int i = 0; i < 3; i ++ ) {
				vec3 transmissionRay = getVolumeTransmissionRay( n, v, thickness, iors[ i ], modelMatrix );
				vec3 refractedRayExit = position + transmissionRay;
				vec4 ndcPos = projMatrix * viewMatrix * vec4( refractedRayExit, 1.0 );
				vec2 refractionCoords = ndcPos.xy / ndcPos.w;
				refractionCoords += 1.0;
				refractionCoords /= 2.0;
				vec4 transmissionSample = getTransmissionSample( refractionCoords, roughness, iors[ i ] );
				transmittedLight[ i ] = transmissionSample[ i ];
				transmittedLight.a += transmissionSample.a;
				transmittance[ i ] = diffuseColor[ i ] * volumeAttenuation( length( transmissionRay ), attenuationColor, attenuationDistance )[ i ];
			}
			transmittedLight.a /= 3.0;
		#else
			vec3 transmissionRay = getVolumeTransmissionRay( n, v, thickness, ior, modelMatrix );
			vec3 refractedRayExit = position + transmissionRay;
			vec4 ndcPos = projMatrix * viewMatrix * vec4( refractedRayExit, 1.0 );
			vec2 refractionCoords = ndcPos.xy / ndcPos.w;
			refractionCoords += 1.0;
			refractionCoords /= 2.0;
			transmittedLight = getTransmissionSample( refractionCoords, roughness, ior );
			transmittance = diffuseColor * volumeAttenuation( length( transmissionRay ), attenuationColor, attenuationDistance );
		#endif
		vec3 attenuatedColor = transmittance * transmittedLight.rgb;
		vec3 F = EnvironmentBRDF( n, v, specularColor, specularF90, roughness );
		float transmittanceFactor = ( transmittance.r + transmittance.g + transmittance.b ) / 3.0;
		return vec4( ( 1.0 - F ) * attenuatedColor, 1.0 - ( 1.0 - transmittedLight.a ) * transmittanceFactor );
	}
#endif`,fy=`#if defined( USE_UV ) || defined( USE_ANISOTROPY )
	varying vec2 vUv;
#endif
#ifdef USE_MAP
	varying vec2 vMapUv;
#endif
#ifdef USE_ALPHAMAP
	varying vec2 vAlphaMapUv;
#endif
#ifdef USE_LIGHTMAP
	varying vec2 vLightMapUv;
#endif
#ifdef USE_AOMAP
	varying vec2 vAoMapUv;
#endif
#ifdef USE_BUMPMAP
	varying vec2 vBumpMapUv;
#endif
#ifdef USE_NORMALMAP
	varying vec2 vNormalMapUv;
#endif
#ifdef USE_EMISSIVEMAP
	varying vec2 vEmissiveMapUv;
#endif
#ifdef USE_METALNESSMAP
	varying vec2 vMetalnessMapUv;
#endif
#ifdef USE_ROUGHNESSMAP
	varying vec2 vRoughnessMapUv;
#endif
#ifdef USE_DIFFUSE_ROUGHNESSMAP
	varying vec2 vDiffuseRoughnessMapUv;
#endif
#ifdef USE_ANISOTROPYMAP
	varying vec2 vAnisotropyMapUv;
#endif
#ifdef USE_CLEARCOATMAP
	varying vec2 vClearcoatMapUv;
#endif
#ifdef USE_CLEARCOAT_NORMALMAP
	varying vec2 vClearcoatNormalMapUv;
#endif
#ifdef USE_CLEARCOAT_ROUGHNESSMAP
	varying vec2 vClearcoatRoughnessMapUv;
#endif
#ifdef USE_IRIDESCENCEMAP
	varying vec2 vIridescenceMapUv;
#endif
#ifdef USE_IRIDESCENCE_THICKNESSMAP
	varying vec2 vIridescenceThicknessMapUv;
#endif
#ifdef USE_SHEEN_COLORMAP
	varying vec2 vSheenColorMapUv;
#endif
#ifdef USE_SHEEN_ROUGHNESSMAP
	varying vec2 vSheenRoughnessMapUv;
#endif
#ifdef USE_SPECULARMAP
	varying vec2 vSpecularMapUv;
#endif
#ifdef USE_SPECULAR_COLORMAP
	varying vec2 vSpecularColorMapUv;
#endif
#ifdef USE_SPECULAR_INTENSITYMAP
	varying vec2 vSpecularIntensityMapUv;
#endif
#ifdef USE_TRANSMISSIONMAP
	uniform mat3 transmissionMapTransform;
	varying vec2 vTransmissionMapUv;
#endif
#ifdef USE_THICKNESSMAP
	uniform mat3 thicknessMapTransform;
	varying vec2 vThicknessMapUv;
#endif`,dy=`#if defined( USE_UV ) || defined( USE_ANISOTROPY )
	varying vec2 vUv;
#endif
#ifdef USE_MAP
	uniform mat3 mapTransform;
	varying vec2 vMapUv;
#endif
#ifdef USE_ALPHAMAP
	uniform mat3 alphaMapTransform;
	varying vec2 vAlphaMapUv;
#endif
#ifdef USE_LIGHTMAP
	uniform mat3 lightMapTransform;
	varying vec2 vLightMapUv;
#endif
#ifdef USE_AOMAP
	uniform mat3 aoMapTransform;
	varying vec2 vAoMapUv;
#endif
#ifdef USE_BUMPMAP
	uniform mat3 bumpMapTransform;
	varying vec2 vBumpMapUv;
#endif
#ifdef USE_NORMALMAP
	uniform mat3 normalMapTransform;
	varying vec2 vNormalMapUv;
#endif
#ifdef USE_DISPLACEMENTMAP
	uniform mat3 displacementMapTransform;
	varying vec2 vDisplacementMapUv;
#endif
#ifdef USE_EMISSIVEMAP
	uniform mat3 emissiveMapTransform;
	varying vec2 vEmissiveMapUv;
#endif
#ifdef USE_METALNESSMAP
	uniform mat3 metalnessMapTransform;
	varying vec2 vMetalnessMapUv;
#endif
#ifdef USE_ROUGHNESSMAP
	uniform mat3 roughnessMapTransform;
	varying vec2 vRoughnessMapUv;
#endif
#ifdef USE_DIFFUSE_ROUGHNESSMAP
	uniform mat3 diffuseRoughnessMapTransform;
	varying vec2 vDiffuseRoughnessMapUv;
#endif
#ifdef USE_ANISOTROPYMAP
	uniform mat3 anisotropyMapTransform;
	varying vec2 vAnisotropyMapUv;
#endif
#ifdef USE_CLEARCOATMAP
	uniform mat3 clearcoatMapTransform;
	varying vec2 vClearcoatMapUv;
#endif
#ifdef USE_CLEARCOAT_NORMALMAP
	uniform mat3 clearcoatNormalMapTransform;
	varying vec2 vClearcoatNormalMapUv;
#endif
#ifdef USE_CLEARCOAT_ROUGHNESSMAP
	uniform mat3 clearcoatRoughnessMapTransform;
	varying vec2 vClearcoatRoughnessMapUv;
#endif
#ifdef USE_SHEEN_COLORMAP
	uniform mat3 sheenColorMapTransform;
	varying vec2 vSheenColorMapUv;
#endif
#ifdef USE_SHEEN_ROUGHNESSMAP
	uniform mat3 sheenRoughnessMapTransform;
	varying vec2 vSheenRoughnessMapUv;
#endif
#ifdef USE_IRIDESCENCEMAP
	uniform mat3 iridescenceMapTransform;
	varying vec2 vIridescenceMapUv;
#endif
#ifdef USE_IRIDESCENCE_THICKNESSMAP
	uniform mat3 iridescenceThicknessMapTransform;
	varying vec2 vIridescenceThicknessMapUv;
#endif
#ifdef USE_SPECULARMAP
	uniform mat3 specularMapTransform;
	varying vec2 vSpecularMapUv;
#endif
#ifdef USE_SPECULAR_COLORMAP
	uniform mat3 specularColorMapTransform;
	varying vec2 vSpecularColorMapUv;
#endif
#ifdef USE_SPECULAR_INTENSITYMAP
	uniform mat3 specularIntensityMapTransform;
	varying vec2 vSpecularIntensityMapUv;
#endif
#ifdef USE_TRANSMISSIONMAP
	uniform mat3 transmissionMapTransform;
	varying vec2 vTransmissionMapUv;
#endif
#ifdef USE_THICKNESSMAP
	uniform mat3 thicknessMapTransform;
	varying vec2 vThicknessMapUv;
#endif`,py=`#if defined( USE_UV ) || defined( USE_ANISOTROPY )
	vUv = vec3( uv, 1 ).xy;
#endif
#ifdef USE_MAP
	vMapUv = ( mapTransform * vec3( MAP_UV, 1 ) ).xy;
#endif
#ifdef USE_ALPHAMAP
	vAlphaMapUv = ( alphaMapTransform * vec3( ALPHAMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_LIGHTMAP
	vLightMapUv = ( lightMapTransform * vec3( LIGHTMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_AOMAP
	vAoMapUv = ( aoMapTransform * vec3( AOMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_BUMPMAP
	vBumpMapUv = ( bumpMapTransform * vec3( BUMPMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_NORMALMAP
	vNormalMapUv = ( normalMapTransform * vec3( NORMALMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_DISPLACEMENTMAP
	vDisplacementMapUv = ( displacementMapTransform * vec3( DISPLACEMENTMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_EMISSIVEMAP
	vEmissiveMapUv = ( emissiveMapTransform * vec3( EMISSIVEMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_METALNESSMAP
	vMetalnessMapUv = ( metalnessMapTransform * vec3( METALNESSMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_ROUGHNESSMAP
	vRoughnessMapUv = ( roughnessMapTransform * vec3( ROUGHNESSMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_DIFFUSE_ROUGHNESSMAP
	vDiffuseRoughnessMapUv = ( diffuseRoughnessMapTransform * vec3( DIFFUSE_ROUGHNESSMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_ANISOTROPYMAP
	vAnisotropyMapUv = ( anisotropyMapTransform * vec3( ANISOTROPYMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_CLEARCOATMAP
	vClearcoatMapUv = ( clearcoatMapTransform * vec3( CLEARCOATMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_CLEARCOAT_NORMALMAP
	vClearcoatNormalMapUv = ( clearcoatNormalMapTransform * vec3( CLEARCOAT_NORMALMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_CLEARCOAT_ROUGHNESSMAP
	vClearcoatRoughnessMapUv = ( clearcoatRoughnessMapTransform * vec3( CLEARCOAT_ROUGHNESSMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_IRIDESCENCEMAP
	vIridescenceMapUv = ( iridescenceMapTransform * vec3( IRIDESCENCEMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_IRIDESCENCE_THICKNESSMAP
	vIridescenceThicknessMapUv = ( iridescenceThicknessMapTransform * vec3( IRIDESCENCE_THICKNESSMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_SHEEN_COLORMAP
	vSheenColorMapUv = ( sheenColorMapTransform * vec3( SHEEN_COLORMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_SHEEN_ROUGHNESSMAP
	vSheenRoughnessMapUv = ( sheenRoughnessMapTransform * vec3( SHEEN_ROUGHNESSMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_SPECULARMAP
	vSpecularMapUv = ( specularMapTransform * vec3( SPECULARMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_SPECULAR_COLORMAP
	vSpecularColorMapUv = ( specularColorMapTransform * vec3( SPECULAR_COLORMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_SPECULAR_INTENSITYMAP
	vSpecularIntensityMapUv = ( specularIntensityMapTransform * vec3( SPECULAR_INTENSITYMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_TRANSMISSIONMAP
	vTransmissionMapUv = ( transmissionMapTransform * vec3( TRANSMISSIONMAP_UV, 1 ) ).xy;
#endif
#ifdef USE_THICKNESSMAP
	vThicknessMapUv = ( thicknessMapTransform * vec3( THICKNESSMAP_UV, 1 ) ).xy;
#endif`,my=`#if defined( USE_ENVMAP ) || defined( DISTANCE ) || defined ( USE_SHADOWMAP ) || defined ( USE_TRANSMISSION ) || NUM_SPOT_LIGHT_COORDS > 0
	vec4 worldPosition = vec4( transformed, 1.0 );
	#ifdef USE_BATCHING
		worldPosition = batchingMatrix * worldPosition;
	#endif
	#ifdef USE_INSTANCING
		worldPosition = instanceMatrix * worldPosition;
	#endif
	worldPosition = modelMatrix * worldPosition;
#endif`,gy=`varying vec2 vUv;
uniform mat3 uvTransform;
void main() {
	vUv = ( uvTransform * vec3( uv, 1 ) ).xy;
	gl_Position = vec4( position.xy, 1.0, 1.0 );
}`,_y=`uniform sampler2D t2D;
uniform float backgroundIntensity;
varying vec2 vUv;
void main() {
	vec4 texColor = texture2D( t2D, vUv );
	#ifdef DECODE_VIDEO_TEXTURE
		texColor = vec4( mix( pow( texColor.rgb * 0.9478672986 + vec3( 0.0521327014 ), vec3( 2.4 ) ), texColor.rgb * 0.0773993808, vec3( lessThanEqual( texColor.rgb, vec3( 0.04045 ) ) ) ), texColor.w );
	#endif
	texColor.rgb *= backgroundIntensity;
	gl_FragColor = texColor;
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
}`,yy=`varying vec3 vWorldDirection;
#include <common>
void main() {
	vWorldDirection = transformDirection( position, modelMatrix );
	#include <begin_vertex>
	#include <project_vertex>
	gl_Position.z = gl_Position.w;
}`,xy=`uniform float backgroundBlurriness;
uniform float backgroundIntensity;
uniform mat3 backgroundRotation;
varying vec3 vWorldDirection;
#include <envmap_common_pars_fragment>
void main() {
	#ifdef ENVMAP_TYPE_PMREM
		vec4 texColor = textureLod( envMap, backgroundRotation * vWorldDirection, roughnessToMip( backgroundBlurriness ) );
	#else
		vec4 texColor = textureCube( envMap, backgroundRotation * vWorldDirection );
	#endif
	texColor.rgb *= backgroundIntensity;
	gl_FragColor = texColor;
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
}`,vy=`varying vec3 vWorldDirection;
#include <common>
void main() {
	vWorldDirection = transformDirection( position, modelMatrix );
	#include <begin_vertex>
	#include <project_vertex>
	gl_Position.z = gl_Position.w;
}`,My=`uniform samplerCube tCube;
uniform float tFlip;
uniform float opacity;
varying vec3 vWorldDirection;
void main() {
	vec4 texColor = textureCube( tCube, vec3( tFlip * vWorldDirection.x, vWorldDirection.yz ) );
	gl_FragColor = texColor;
	gl_FragColor.a *= opacity;
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
}`,Sy=`#include <common>
#include <batching_pars_vertex>
#include <uv_pars_vertex>
#include <displacementmap_pars_vertex>
#include <morphtarget_pars_vertex>
#include <skinning_pars_vertex>
#include <logdepthbuf_pars_vertex>
#include <clipping_planes_pars_vertex>
varying vec2 vHighPrecisionZW;
void main() {
	#include <uv_vertex>
	#include <batching_vertex>
	#include <skinbase_vertex>
	#include <morphinstance_vertex>
	#ifdef USE_DISPLACEMENTMAP
		#include <beginnormal_vertex>
		#include <morphnormal_vertex>
		#include <skinnormal_vertex>
	#endif
	#include <begin_vertex>
	#include <morphtarget_vertex>
	#include <skinning_vertex>
	#include <displacementmap_vertex>
	#include <project_vertex>
	#include <logdepthbuf_vertex>
	#include <clipping_planes_vertex>
	vHighPrecisionZW = gl_Position.zw;
}`,by=`#if DEPTH_PACKING == 3200
	uniform float opacity;
#endif
#include <common>
#include <packing>
#include <uv_pars_fragment>
#include <map_pars_fragment>
#include <alphamap_pars_fragment>
#include <alphatest_pars_fragment>
#include <alphahash_pars_fragment>
#include <logdepthbuf_pars_fragment>
#include <clipping_planes_pars_fragment>
varying vec2 vHighPrecisionZW;
void main() {
	vec4 diffuseColor = vec4( 1.0 );
	#include <clipping_planes_fragment>
	#if DEPTH_PACKING == 3200
		diffuseColor.a = opacity;
	#endif
	#include <map_fragment>
	#include <alphamap_fragment>
	#include <alphatest_fragment>
	#include <alphahash_fragment>
	#include <logdepthbuf_fragment>
	#ifdef USE_REVERSED_DEPTH_BUFFER
		float fragCoordZ = vHighPrecisionZW[ 0 ] / vHighPrecisionZW[ 1 ];
	#else
		float fragCoordZ = 0.5 * vHighPrecisionZW[ 0 ] / vHighPrecisionZW[ 1 ] + 0.5;
	#endif
	#if DEPTH_PACKING == 3200
		gl_FragColor = vec4( vec3( 1.0 - fragCoordZ ), opacity );
	#elif DEPTH_PACKING == 3201
		gl_FragColor = packDepthToRGBA( fragCoordZ );
	#elif DEPTH_PACKING == 3202
		gl_FragColor = vec4( packDepthToRGB( fragCoordZ ), 1.0 );
	#elif DEPTH_PACKING == 3203
		gl_FragColor = vec4( packDepthToRG( fragCoordZ ), 0.0, 1.0 );
	#endif
}`,wy=`#define DISTANCE
varying vec3 vWorldPosition;
#include <common>
#include <batching_pars_vertex>
#include <uv_pars_vertex>
#include <displacementmap_pars_vertex>
#include <morphtarget_pars_vertex>
#include <skinning_pars_vertex>
#include <clipping_planes_pars_vertex>
void main() {
	#include <uv_vertex>
	#include <batching_vertex>
	#include <skinbase_vertex>
	#include <morphinstance_vertex>
	#ifdef USE_DISPLACEMENTMAP
		#include <beginnormal_vertex>
		#include <morphnormal_vertex>
		#include <skinnormal_vertex>
	#endif
	#include <begin_vertex>
	#include <morphtarget_vertex>
	#include <skinning_vertex>
	#include <displacementmap_vertex>
	#include <project_vertex>
	#include <worldpos_vertex>
	#include <clipping_planes_vertex>
	vWorldPosition = worldPosition.xyz;
}`,Ay=`#define DISTANCE
uniform vec3 referencePosition;
uniform float nearDistance;
uniform float farDistance;
varying vec3 vWorldPosition;
#include <common>
#include <uv_pars_fragment>
#include <map_pars_fragment>
#include <alphamap_pars_fragment>
#include <alphatest_pars_fragment>
#include <alphahash_pars_fragment>
#include <clipping_planes_pars_fragment>
void main() {
	vec4 diffuseColor = vec4( 1.0 );
	#include <clipping_planes_fragment>
	#include <map_fragment>
	#include <alphamap_fragment>
	#include <alphatest_fragment>
	#include <alphahash_fragment>
	float dist = length( vWorldPosition - referencePosition );
	dist = ( dist - nearDistance ) / ( farDistance - nearDistance );
	dist = saturate( dist );
	gl_FragColor = vec4( dist, 0.0, 0.0, 1.0 );
}`,Ey=`varying vec3 vWorldDirection;
#include <common>
void main() {
	vWorldDirection = transformDirection( position, modelMatrix );
	#include <begin_vertex>
	#include <project_vertex>
}`,Ty=`uniform sampler2D tEquirect;
varying vec3 vWorldDirection;
#include <common>
void main() {
	vec3 direction = normalize( vWorldDirection );
	vec2 sampleUV = equirectUv( direction );
	gl_FragColor = texture2D( tEquirect, sampleUV );
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
}`,Ry=`uniform float scale;
attribute float lineDistance;
varying float vLineDistance;
#include <common>
#include <uv_pars_vertex>
#include <color_pars_vertex>
#include <fog_pars_vertex>
#include <morphtarget_pars_vertex>
#include <logdepthbuf_pars_vertex>
#include <clipping_planes_pars_vertex>
void main() {
	vLineDistance = scale * lineDistance;
	#include <uv_vertex>
	#include <color_vertex>
	#include <morphinstance_vertex>
	#include <morphcolor_vertex>
	#include <begin_vertex>
	#include <morphtarget_vertex>
	#include <project_vertex>
	#include <logdepthbuf_vertex>
	#include <clipping_planes_vertex>
	#include <fog_vertex>
}`,Cy=`uniform vec3 diffuse;
uniform float opacity;
uniform float dashSize;
uniform float totalSize;
varying float vLineDistance;
#include <common>
#include <color_pars_fragment>
#include <uv_pars_fragment>
#include <map_pars_fragment>
#include <fog_pars_fragment>
#include <logdepthbuf_pars_fragment>
#include <clipping_planes_pars_fragment>
void main() {
	vec4 diffuseColor = vec4( diffuse, opacity );
	#include <clipping_planes_fragment>
	if ( mod( vLineDistance, totalSize ) > dashSize ) {
		discard;
	}
	vec3 outgoingLight = vec3( 0.0 );
	#include <logdepthbuf_fragment>
	#include <map_fragment>
	#include <color_fragment>
	outgoingLight = diffuseColor.rgb;
	#include <opaque_fragment>
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
	#include <fog_fragment>
	#include <premultiplied_alpha_fragment>
}`,Iy=`#include <common>
#include <batching_pars_vertex>
#include <uv_pars_vertex>
#include <envmap_pars_vertex>
#include <color_pars_vertex>
#include <fog_pars_vertex>
#include <morphtarget_pars_vertex>
#include <skinning_pars_vertex>
#include <logdepthbuf_pars_vertex>
#include <clipping_planes_pars_vertex>
void main() {
	#include <uv_vertex>
	#include <color_vertex>
	#include <morphinstance_vertex>
	#include <morphcolor_vertex>
	#include <batching_vertex>
	#if defined ( USE_ENVMAP ) || defined ( USE_SKINNING )
		#include <beginnormal_vertex>
		#include <morphnormal_vertex>
		#include <skinbase_vertex>
		#include <skinnormal_vertex>
		#include <defaultnormal_vertex>
	#endif
	#include <begin_vertex>
	#include <morphtarget_vertex>
	#include <skinning_vertex>
	#include <project_vertex>
	#include <logdepthbuf_vertex>
	#include <clipping_planes_vertex>
	#include <worldpos_vertex>
	#include <envmap_vertex>
	#include <fog_vertex>
}`,Py=`uniform vec3 diffuse;
uniform float opacity;
#ifndef FLAT_SHADED
	varying vec3 vNormal;
#endif
#include <common>
#include <dithering_pars_fragment>
#include <color_pars_fragment>
#include <uv_pars_fragment>
#include <map_pars_fragment>
#include <alphamap_pars_fragment>
#include <alphatest_pars_fragment>
#include <alphahash_pars_fragment>
#include <aomap_pars_fragment>
#include <lightmap_pars_fragment>
#include <envmap_common_pars_fragment>
#include <envmap_pars_fragment>
#include <fog_pars_fragment>
#include <specularmap_pars_fragment>
#include <logdepthbuf_pars_fragment>
#include <clipping_planes_pars_fragment>
void main() {
	vec4 diffuseColor = vec4( diffuse, opacity );
	#include <clipping_planes_fragment>
	#include <logdepthbuf_fragment>
	#include <map_fragment>
	#include <color_fragment>
	#include <alphamap_fragment>
	#include <alphatest_fragment>
	#include <alphahash_fragment>
	#include <specularmap_fragment>
	ReflectedLight reflectedLight = ReflectedLight( vec3( 0.0 ), vec3( 0.0 ), vec3( 0.0 ), vec3( 0.0 ) );
	#ifdef USE_LIGHTMAP
		vec4 lightMapTexel = texture2D( lightMap, vLightMapUv );
		reflectedLight.indirectDiffuse += lightMapTexel.rgb * lightMapIntensity * RECIPROCAL_PI;
	#else
		reflectedLight.indirectDiffuse += vec3( 1.0 );
	#endif
	#include <aomap_fragment>
	reflectedLight.indirectDiffuse *= diffuseColor.rgb;
	vec3 outgoingLight = reflectedLight.indirectDiffuse;
	#include <envmap_fragment>
	#include <opaque_fragment>
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
	#include <fog_fragment>
	#include <premultiplied_alpha_fragment>
	#include <dithering_fragment>
}`,Ly=`#define LAMBERT
varying vec3 vViewPosition;
#include <common>
#include <batching_pars_vertex>
#include <uv_pars_vertex>
#include <displacementmap_pars_vertex>
#include <envmap_pars_vertex>
#include <color_pars_vertex>
#include <fog_pars_vertex>
#include <normal_pars_vertex>
#include <morphtarget_pars_vertex>
#include <skinning_pars_vertex>
#include <shadowmap_pars_vertex>
#include <logdepthbuf_pars_vertex>
#include <clipping_planes_pars_vertex>
void main() {
	#include <uv_vertex>
	#include <color_vertex>
	#include <morphinstance_vertex>
	#include <morphcolor_vertex>
	#include <batching_vertex>
	#include <beginnormal_vertex>
	#include <morphnormal_vertex>
	#include <skinbase_vertex>
	#include <skinnormal_vertex>
	#include <defaultnormal_vertex>
	#include <normal_vertex>
	#include <begin_vertex>
	#include <morphtarget_vertex>
	#include <skinning_vertex>
	#include <displacementmap_vertex>
	#include <project_vertex>
	#include <logdepthbuf_vertex>
	#include <clipping_planes_vertex>
	vViewPosition = - mvPosition.xyz;
	#include <worldpos_vertex>
	#include <envmap_vertex>
	#include <shadowmap_vertex>
	#include <fog_vertex>
}`,Ny=`#define LAMBERT
uniform vec3 diffuse;
uniform vec3 emissive;
uniform float opacity;
#include <common>
#include <dithering_pars_fragment>
#include <color_pars_fragment>
#include <uv_pars_fragment>
#include <map_pars_fragment>
#include <alphamap_pars_fragment>
#include <alphatest_pars_fragment>
#include <alphahash_pars_fragment>
#include <aomap_pars_fragment>
#include <lightmap_pars_fragment>
#include <emissivemap_pars_fragment>
#include <envmap_common_pars_fragment>
#include <envmap_pars_fragment>
#include <envmap_physical_pars_fragment>
#include <fog_pars_fragment>
#include <bsdfs>
#include <lights_pars_begin>
#include <normal_pars_fragment>
#include <lights_lambert_pars_fragment>
#include <shadowmap_pars_fragment>
#include <bumpmap_pars_fragment>
#include <normalmap_pars_fragment>
#include <specularmap_pars_fragment>
#include <logdepthbuf_pars_fragment>
#include <clipping_planes_pars_fragment>
void main() {
	vec4 diffuseColor = vec4( diffuse, opacity );
	#include <clipping_planes_fragment>
	ReflectedLight reflectedLight = ReflectedLight( vec3( 0.0 ), vec3( 0.0 ), vec3( 0.0 ), vec3( 0.0 ) );
	vec3 totalEmissiveRadiance = emissive;
	#include <logdepthbuf_fragment>
	#include <map_fragment>
	#include <color_fragment>
	#include <alphamap_fragment>
	#include <alphatest_fragment>
	#include <alphahash_fragment>
	#include <specularmap_fragment>
	#include <normal_fragment_begin>
	#include <normal_fragment_maps>
	#include <emissivemap_fragment>
	#include <lights_lambert_fragment>
	#include <lights_fragment_begin>
	#include <lights_fragment_maps>
	#include <lights_fragment_end>
	#include <aomap_fragment>
	vec3 outgoingLight = reflectedLight.directDiffuse + reflectedLight.indirectDiffuse + totalEmissiveRadiance;
	#include <envmap_fragment>
	#include <opaque_fragment>
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
	#include <fog_fragment>
	#include <premultiplied_alpha_fragment>
	#include <dithering_fragment>
}`,Dy=`#define MATCAP
varying vec3 vViewPosition;
#include <common>
#include <batching_pars_vertex>
#include <uv_pars_vertex>
#include <color_pars_vertex>
#include <displacementmap_pars_vertex>
#include <fog_pars_vertex>
#include <normal_pars_vertex>
#include <morphtarget_pars_vertex>
#include <skinning_pars_vertex>
#include <logdepthbuf_pars_vertex>
#include <clipping_planes_pars_vertex>
void main() {
	#include <uv_vertex>
	#include <color_vertex>
	#include <morphinstance_vertex>
	#include <morphcolor_vertex>
	#include <batching_vertex>
	#include <beginnormal_vertex>
	#include <morphnormal_vertex>
	#include <skinbase_vertex>
	#include <skinnormal_vertex>
	#include <defaultnormal_vertex>
	#include <normal_vertex>
	#include <begin_vertex>
	#include <morphtarget_vertex>
	#include <skinning_vertex>
	#include <displacementmap_vertex>
	#include <project_vertex>
	#include <logdepthbuf_vertex>
	#include <clipping_planes_vertex>
	#include <fog_vertex>
	vViewPosition = - mvPosition.xyz;
}`,Uy=`#define MATCAP
uniform vec3 diffuse;
uniform float opacity;
uniform sampler2D matcap;
varying vec3 vViewPosition;
#include <common>
#include <dithering_pars_fragment>
#include <color_pars_fragment>
#include <uv_pars_fragment>
#include <map_pars_fragment>
#include <alphamap_pars_fragment>
#include <alphatest_pars_fragment>
#include <alphahash_pars_fragment>
#include <fog_pars_fragment>
#include <normal_pars_fragment>
#include <bumpmap_pars_fragment>
#include <normalmap_pars_fragment>
#include <logdepthbuf_pars_fragment>
#include <clipping_planes_pars_fragment>
void main() {
	vec4 diffuseColor = vec4( diffuse, opacity );
	#include <clipping_planes_fragment>
	#include <logdepthbuf_fragment>
	#include <map_fragment>
	#include <color_fragment>
	#include <alphamap_fragment>
	#include <alphatest_fragment>
	#include <alphahash_fragment>
	#include <normal_fragment_begin>
	#include <normal_fragment_maps>
	vec3 viewDir = normalize( vViewPosition );
	vec3 x = normalize( vec3( viewDir.z, 0.0, - viewDir.x ) );
	vec3 y = cross( viewDir, x );
	vec2 uv = vec2( dot( x, normal ), dot( y, normal ) ) * 0.495 + 0.5;
	#ifdef USE_MATCAP
		vec4 matcapColor = texture2D( matcap, uv );
	#else
		vec4 matcapColor = vec4( vec3( mix( 0.2, 0.8, uv.y ) ), 1.0 );
	#endif
	vec3 outgoingLight = diffuseColor.rgb * matcapColor.rgb;
	#include <opaque_fragment>
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
	#include <fog_fragment>
	#include <premultiplied_alpha_fragment>
	#include <dithering_fragment>
}`,Fy=`#define NORMAL
#if defined( FLAT_SHADED ) || defined( USE_BUMPMAP ) || defined( USE_NORMALMAP_TANGENTSPACE )
	varying vec3 vViewPosition;
#endif
#include <common>
#include <batching_pars_vertex>
#include <uv_pars_vertex>
#include <displacementmap_pars_vertex>
#include <normal_pars_vertex>
#include <morphtarget_pars_vertex>
#include <skinning_pars_vertex>
#include <logdepthbuf_pars_vertex>
#include <clipping_planes_pars_vertex>
void main() {
	#include <uv_vertex>
	#include <batching_vertex>
	#include <beginnormal_vertex>
	#include <morphinstance_vertex>
	#include <morphnormal_vertex>
	#include <skinbase_vertex>
	#include <skinnormal_vertex>
	#include <defaultnormal_vertex>
	#include <normal_vertex>
	#include <begin_vertex>
	#include <morphtarget_vertex>
	#include <skinning_vertex>
	#include <displacementmap_vertex>
	#include <project_vertex>
	#include <logdepthbuf_vertex>
	#include <clipping_planes_vertex>
#if defined( FLAT_SHADED ) || defined( USE_BUMPMAP ) || defined( USE_NORMALMAP_TANGENTSPACE )
	vViewPosition = - mvPosition.xyz;
#endif
}`,Oy=`#define NORMAL
uniform float opacity;
#if defined( FLAT_SHADED ) || defined( USE_BUMPMAP ) || defined( USE_NORMALMAP_TANGENTSPACE )
	varying vec3 vViewPosition;
#endif
#include <uv_pars_fragment>
#include <normal_pars_fragment>
#include <bumpmap_pars_fragment>
#include <normalmap_pars_fragment>
#include <logdepthbuf_pars_fragment>
#include <clipping_planes_pars_fragment>
void main() {
	vec4 diffuseColor = vec4( 0.0, 0.0, 0.0, opacity );
	#include <clipping_planes_fragment>
	#include <logdepthbuf_fragment>
	#include <normal_fragment_begin>
	#include <normal_fragment_maps>
	gl_FragColor = vec4( normalize( normal ) * 0.5 + 0.5, diffuseColor.a );
	#ifdef OPAQUE
		gl_FragColor.a = 1.0;
	#endif
}`,By=`#define PHONG
varying vec3 vViewPosition;
#include <common>
#include <batching_pars_vertex>
#include <uv_pars_vertex>
#include <displacementmap_pars_vertex>
#include <envmap_pars_vertex>
#include <color_pars_vertex>
#include <fog_pars_vertex>
#include <normal_pars_vertex>
#include <morphtarget_pars_vertex>
#include <skinning_pars_vertex>
#include <shadowmap_pars_vertex>
#include <logdepthbuf_pars_vertex>
#include <clipping_planes_pars_vertex>
void main() {
	#include <uv_vertex>
	#include <color_vertex>
	#include <morphcolor_vertex>
	#include <batching_vertex>
	#include <beginnormal_vertex>
	#include <morphinstance_vertex>
	#include <morphnormal_vertex>
	#include <skinbase_vertex>
	#include <skinnormal_vertex>
	#include <defaultnormal_vertex>
	#include <normal_vertex>
	#include <begin_vertex>
	#include <morphtarget_vertex>
	#include <skinning_vertex>
	#include <displacementmap_vertex>
	#include <project_vertex>
	#include <logdepthbuf_vertex>
	#include <clipping_planes_vertex>
	vViewPosition = - mvPosition.xyz;
	#include <worldpos_vertex>
	#include <envmap_vertex>
	#include <shadowmap_vertex>
	#include <fog_vertex>
}`,ky=`#define PHONG
uniform vec3 diffuse;
uniform vec3 emissive;
uniform vec3 specular;
uniform float shininess;
uniform float opacity;
#include <common>
#include <dithering_pars_fragment>
#include <color_pars_fragment>
#include <uv_pars_fragment>
#include <map_pars_fragment>
#include <alphamap_pars_fragment>
#include <alphatest_pars_fragment>
#include <alphahash_pars_fragment>
#include <aomap_pars_fragment>
#include <lightmap_pars_fragment>
#include <emissivemap_pars_fragment>
#include <envmap_common_pars_fragment>
#include <envmap_pars_fragment>
#include <envmap_physical_pars_fragment>
#include <fog_pars_fragment>
#include <bsdfs>
#include <lights_pars_begin>
#include <normal_pars_fragment>
#include <lights_phong_pars_fragment>
#include <shadowmap_pars_fragment>
#include <bumpmap_pars_fragment>
#include <normalmap_pars_fragment>
#include <specularmap_pars_fragment>
#include <logdepthbuf_pars_fragment>
#include <clipping_planes_pars_fragment>
void main() {
	vec4 diffuseColor = vec4( diffuse, opacity );
	#include <clipping_planes_fragment>
	ReflectedLight reflectedLight = ReflectedLight( vec3( 0.0 ), vec3( 0.0 ), vec3( 0.0 ), vec3( 0.0 ) );
	vec3 totalEmissiveRadiance = emissive;
	#include <logdepthbuf_fragment>
	#include <map_fragment>
	#include <color_fragment>
	#include <alphamap_fragment>
	#include <alphatest_fragment>
	#include <alphahash_fragment>
	#include <specularmap_fragment>
	#include <normal_fragment_begin>
	#include <normal_fragment_maps>
	#include <emissivemap_fragment>
	#include <lights_phong_fragment>
	#include <lights_fragment_begin>
	#include <lights_fragment_maps>
	#include <lights_fragment_end>
	#include <aomap_fragment>
	vec3 outgoingLight = reflectedLight.directDiffuse + reflectedLight.indirectDiffuse + reflectedLight.directSpecular + reflectedLight.indirectSpecular + totalEmissiveRadiance;
	#include <envmap_fragment>
	#include <opaque_fragment>
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
	#include <fog_fragment>
	#include <premultiplied_alpha_fragment>
	#include <dithering_fragment>
}`,zy=`#define STANDARD
varying vec3 vViewPosition;
#ifdef USE_TRANSMISSION
	varying vec3 vWorldPosition;
#endif
#include <common>
#include <batching_pars_vertex>
#include <uv_pars_vertex>
#include <displacementmap_pars_vertex>
#include <color_pars_vertex>
#include <fog_pars_vertex>
#include <normal_pars_vertex>
#include <morphtarget_pars_vertex>
#include <skinning_pars_vertex>
#include <shadowmap_pars_vertex>
#include <logdepthbuf_pars_vertex>
#include <clipping_planes_pars_vertex>
void main() {
	#include <uv_vertex>
	#include <color_vertex>
	#include <morphinstance_vertex>
	#include <morphcolor_vertex>
	#include <batching_vertex>
	#include <beginnormal_vertex>
	#include <morphnormal_vertex>
	#include <skinbase_vertex>
	#include <skinnormal_vertex>
	#include <defaultnormal_vertex>
	#include <normal_vertex>
	#include <begin_vertex>
	#include <morphtarget_vertex>
	#include <skinning_vertex>
	#include <displacementmap_vertex>
	#include <project_vertex>
	#include <logdepthbuf_vertex>
	#include <clipping_planes_vertex>
	vViewPosition = - mvPosition.xyz;
	#include <worldpos_vertex>
	#include <shadowmap_vertex>
	#include <fog_vertex>
#ifdef USE_TRANSMISSION
	vWorldPosition = worldPosition.xyz;
#endif
}`,Gy=`#define STANDARD
#ifdef PHYSICAL
	#define IOR
	#define USE_SPECULAR
#endif
uniform vec3 diffuse;
uniform vec3 emissive;
uniform float roughness;
uniform float metalness;
uniform float opacity;
#ifdef IOR
	uniform float ior;
#endif
#ifdef USE_SPECULAR
	uniform float specularIntensity;
	uniform vec3 specularColor;
	#ifdef USE_SPECULAR_COLORMAP
		uniform sampler2D specularColorMap;
	#endif
	#ifdef USE_SPECULAR_INTENSITYMAP
		uniform sampler2D specularIntensityMap;
	#endif
#endif
#ifdef USE_CLEARCOAT
	uniform float clearcoat;
	uniform float clearcoatRoughness;
#endif
#ifdef USE_DIFFUSE_ROUGHNESS
	uniform float diffuseRoughness;
	#ifdef USE_DIFFUSE_ROUGHNESSMAP
		uniform sampler2D diffuseRoughnessMap;
	#endif
#endif
#ifdef USE_DISPERSION
	uniform float dispersion;
#endif
#ifdef USE_RETROREFLECTION
	uniform float retroreflectivity;
#endif
#ifdef USE_IRIDESCENCE
	uniform float iridescence;
	uniform float iridescenceIOR;
	uniform float iridescenceThicknessMinimum;
	uniform float iridescenceThicknessMaximum;
#endif
#ifdef USE_SHEEN
	uniform vec3 sheenColor;
	uniform float sheenRoughness;
	#ifdef USE_SHEEN_COLORMAP
		uniform sampler2D sheenColorMap;
	#endif
	#ifdef USE_SHEEN_ROUGHNESSMAP
		uniform sampler2D sheenRoughnessMap;
	#endif
#endif
#ifdef USE_ANISOTROPY
	uniform vec2 anisotropyVector;
	#ifdef USE_ANISOTROPYMAP
		uniform sampler2D anisotropyMap;
	#endif
#endif
varying vec3 vViewPosition;
#include <common>
#include <dithering_pars_fragment>
#include <color_pars_fragment>
#include <uv_pars_fragment>
#include <map_pars_fragment>
#include <alphamap_pars_fragment>
#include <alphatest_pars_fragment>
#include <alphahash_pars_fragment>
#include <aomap_pars_fragment>
#include <lightmap_pars_fragment>
#include <emissivemap_pars_fragment>
#include <iridescence_fragment>
#include <envmap_common_pars_fragment>
#include <envmap_physical_pars_fragment>
#include <fog_pars_fragment>
#include <lights_pars_begin>
#include <normal_pars_fragment>
#include <lights_physical_pars_fragment>
#include <transmission_pars_fragment>
#include <shadowmap_pars_fragment>
#include <bumpmap_pars_fragment>
#include <normalmap_pars_fragment>
#include <clearcoat_pars_fragment>
#include <iridescence_pars_fragment>
#include <roughnessmap_pars_fragment>
#include <metalnessmap_pars_fragment>
#include <logdepthbuf_pars_fragment>
#include <clipping_planes_pars_fragment>
void main() {
	vec4 diffuseColor = vec4( diffuse, opacity );
	#include <clipping_planes_fragment>
	ReflectedLight reflectedLight = ReflectedLight( vec3( 0.0 ), vec3( 0.0 ), vec3( 0.0 ), vec3( 0.0 ) );
	vec3 totalEmissiveRadiance = emissive;
	#include <logdepthbuf_fragment>
	#include <map_fragment>
	#include <color_fragment>
	#include <alphamap_fragment>
	#include <alphatest_fragment>
	#include <alphahash_fragment>
	#include <roughnessmap_fragment>
	#include <metalnessmap_fragment>
	#include <normal_fragment_begin>
	#include <normal_fragment_maps>
	#include <clearcoat_normal_fragment_begin>
	#include <clearcoat_normal_fragment_maps>
	#include <emissivemap_fragment>
	#include <lights_physical_fragment>
	#include <lights_fragment_begin>
	#include <lights_fragment_maps>
	#include <lights_fragment_end>
	#include <aomap_fragment>
	vec3 totalDiffuse = reflectedLight.directDiffuse + reflectedLight.indirectDiffuse;
	vec3 totalSpecular = reflectedLight.directSpecular + reflectedLight.indirectSpecular;
	#include <transmission_fragment>
	vec3 outgoingLight = totalDiffuse + totalSpecular + totalEmissiveRadiance;
	#ifdef USE_SHEEN
 
		outgoingLight = outgoingLight + sheenSpecularDirect + sheenSpecularIndirect;
 
 	#endif
	#ifdef USE_CLEARCOAT
		float dotNVcc = saturate( dot( geometryClearcoatNormal, geometryViewDir ) );
		vec3 Fcc = F_Schlick( material.clearcoatF0, material.clearcoatF90, dotNVcc );
		outgoingLight = outgoingLight * ( 1.0 - material.clearcoat * Fcc ) + ( clearcoatSpecularDirect + clearcoatSpecularIndirect ) * material.clearcoat;
	#endif
	#include <opaque_fragment>
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
	#include <fog_fragment>
	#include <premultiplied_alpha_fragment>
	#include <dithering_fragment>
}`,Vy=`#define TOON
varying vec3 vViewPosition;
#include <common>
#include <batching_pars_vertex>
#include <uv_pars_vertex>
#include <displacementmap_pars_vertex>
#include <color_pars_vertex>
#include <fog_pars_vertex>
#include <normal_pars_vertex>
#include <morphtarget_pars_vertex>
#include <skinning_pars_vertex>
#include <shadowmap_pars_vertex>
#include <logdepthbuf_pars_vertex>
#include <clipping_planes_pars_vertex>
void main() {
	#include <uv_vertex>
	#include <color_vertex>
	#include <morphinstance_vertex>
	#include <morphcolor_vertex>
	#include <batching_vertex>
	#include <beginnormal_vertex>
	#include <morphnormal_vertex>
	#include <skinbase_vertex>
	#include <skinnormal_vertex>
	#include <defaultnormal_vertex>
	#include <normal_vertex>
	#include <begin_vertex>
	#include <morphtarget_vertex>
	#include <skinning_vertex>
	#include <displacementmap_vertex>
	#include <project_vertex>
	#include <logdepthbuf_vertex>
	#include <clipping_planes_vertex>
	vViewPosition = - mvPosition.xyz;
	#include <worldpos_vertex>
	#include <shadowmap_vertex>
	#include <fog_vertex>
}`,Hy=`#define TOON
uniform vec3 diffuse;
uniform vec3 emissive;
uniform float opacity;
#include <common>
#include <dithering_pars_fragment>
#include <color_pars_fragment>
#include <uv_pars_fragment>
#include <map_pars_fragment>
#include <alphamap_pars_fragment>
#include <alphatest_pars_fragment>
#include <alphahash_pars_fragment>
#include <aomap_pars_fragment>
#include <lightmap_pars_fragment>
#include <emissivemap_pars_fragment>
#include <gradientmap_pars_fragment>
#include <fog_pars_fragment>
#include <bsdfs>
#include <lights_pars_begin>
#include <normal_pars_fragment>
#include <lights_toon_pars_fragment>
#include <shadowmap_pars_fragment>
#include <bumpmap_pars_fragment>
#include <normalmap_pars_fragment>
#include <logdepthbuf_pars_fragment>
#include <clipping_planes_pars_fragment>
void main() {
	vec4 diffuseColor = vec4( diffuse, opacity );
	#include <clipping_planes_fragment>
	ReflectedLight reflectedLight = ReflectedLight( vec3( 0.0 ), vec3( 0.0 ), vec3( 0.0 ), vec3( 0.0 ) );
	vec3 totalEmissiveRadiance = emissive;
	#include <logdepthbuf_fragment>
	#include <map_fragment>
	#include <color_fragment>
	#include <alphamap_fragment>
	#include <alphatest_fragment>
	#include <alphahash_fragment>
	#include <normal_fragment_begin>
	#include <normal_fragment_maps>
	#include <emissivemap_fragment>
	#include <lights_toon_fragment>
	#include <lights_fragment_begin>
	#include <lights_fragment_maps>
	#include <lights_fragment_end>
	#include <aomap_fragment>
	vec3 outgoingLight = reflectedLight.directDiffuse + reflectedLight.indirectDiffuse + totalEmissiveRadiance;
	#include <opaque_fragment>
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
	#include <fog_fragment>
	#include <premultiplied_alpha_fragment>
	#include <dithering_fragment>
}`,Wy=`uniform float size;
uniform float scale;
#include <common>
#include <color_pars_vertex>
#include <fog_pars_vertex>
#include <morphtarget_pars_vertex>
#include <logdepthbuf_pars_vertex>
#include <clipping_planes_pars_vertex>
#ifdef USE_POINTS_UV
	varying vec2 vUv;
	uniform mat3 uvTransform;
#endif
void main() {
	#ifdef USE_POINTS_UV
		vUv = ( uvTransform * vec3( uv, 1 ) ).xy;
	#endif
	#include <color_vertex>
	#include <morphinstance_vertex>
	#include <morphcolor_vertex>
	#include <begin_vertex>
	#include <morphtarget_vertex>
	#include <project_vertex>
	gl_PointSize = size;
	#ifdef USE_SIZEATTENUATION
		bool isPerspective = isPerspectiveMatrix( projectionMatrix );
		if ( isPerspective ) gl_PointSize *= ( scale / - mvPosition.z );
	#endif
	#include <logdepthbuf_vertex>
	#include <clipping_planes_vertex>
	#include <worldpos_vertex>
	#include <fog_vertex>
}`,Xy=`uniform vec3 diffuse;
uniform float opacity;
#include <common>
#include <color_pars_fragment>
#include <map_particle_pars_fragment>
#include <alphatest_pars_fragment>
#include <alphahash_pars_fragment>
#include <fog_pars_fragment>
#include <logdepthbuf_pars_fragment>
#include <clipping_planes_pars_fragment>
void main() {
	vec4 diffuseColor = vec4( diffuse, opacity );
	#include <clipping_planes_fragment>
	vec3 outgoingLight = vec3( 0.0 );
	#include <logdepthbuf_fragment>
	#include <map_particle_fragment>
	#include <color_fragment>
	#include <alphatest_fragment>
	#include <alphahash_fragment>
	outgoingLight = diffuseColor.rgb;
	#include <opaque_fragment>
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
	#include <fog_fragment>
	#include <premultiplied_alpha_fragment>
}`,qy=`#include <common>
#include <batching_pars_vertex>
#include <fog_pars_vertex>
#include <morphtarget_pars_vertex>
#include <skinning_pars_vertex>
#include <logdepthbuf_pars_vertex>
#include <shadowmap_pars_vertex>
void main() {
	#include <batching_vertex>
	#include <beginnormal_vertex>
	#include <morphinstance_vertex>
	#include <morphnormal_vertex>
	#include <skinbase_vertex>
	#include <skinnormal_vertex>
	#include <defaultnormal_vertex>
	#include <begin_vertex>
	#include <morphtarget_vertex>
	#include <skinning_vertex>
	#include <project_vertex>
	#include <logdepthbuf_vertex>
	#include <worldpos_vertex>
	#include <shadowmap_vertex>
	#include <fog_vertex>
}`,$y=`uniform vec3 color;
uniform float opacity;
#include <common>
#include <fog_pars_fragment>
#include <bsdfs>
#include <lights_pars_begin>
#include <logdepthbuf_pars_fragment>
#include <shadowmap_pars_fragment>
#include <shadowmask_pars_fragment>
void main() {
	#include <logdepthbuf_fragment>
	gl_FragColor = vec4( color, opacity * ( 1.0 - getShadowMask() ) );
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
	#include <fog_fragment>
	#include <premultiplied_alpha_fragment>
}`,Yy=`uniform float rotation;
uniform vec2 center;
#include <common>
#include <uv_pars_vertex>
#include <fog_pars_vertex>
#include <logdepthbuf_pars_vertex>
#include <clipping_planes_pars_vertex>
void main() {
	#include <uv_vertex>
	vec4 mvPosition = modelViewMatrix[ 3 ];
	vec2 scale = vec2( length( modelMatrix[ 0 ].xyz ), length( modelMatrix[ 1 ].xyz ) );
	#ifndef USE_SIZEATTENUATION
		bool isPerspective = isPerspectiveMatrix( projectionMatrix );
		if ( isPerspective ) scale *= - mvPosition.z;
	#endif
	vec2 alignedPosition = ( position.xy - ( center - vec2( 0.5 ) ) ) * scale;
	vec2 rotatedPosition;
	rotatedPosition.x = cos( rotation ) * alignedPosition.x - sin( rotation ) * alignedPosition.y;
	rotatedPosition.y = sin( rotation ) * alignedPosition.x + cos( rotation ) * alignedPosition.y;
	mvPosition.xy += rotatedPosition;
	gl_Position = projectionMatrix * mvPosition;
	#include <logdepthbuf_vertex>
	#include <clipping_planes_vertex>
	#include <fog_vertex>
}`,Zy=`uniform vec3 diffuse;
uniform float opacity;
#include <common>
#include <uv_pars_fragment>
#include <map_pars_fragment>
#include <alphamap_pars_fragment>
#include <alphatest_pars_fragment>
#include <alphahash_pars_fragment>
#include <fog_pars_fragment>
#include <logdepthbuf_pars_fragment>
#include <clipping_planes_pars_fragment>
void main() {
	vec4 diffuseColor = vec4( diffuse, opacity );
	#include <clipping_planes_fragment>
	vec3 outgoingLight = vec3( 0.0 );
	#include <logdepthbuf_fragment>
	#include <map_fragment>
	#include <alphamap_fragment>
	#include <alphatest_fragment>
	#include <alphahash_fragment>
	outgoingLight = diffuseColor.rgb;
	#include <opaque_fragment>
	#include <tonemapping_fragment>
	#include <colorspace_fragment>
	#include <fog_fragment>
}`,Be={alphahash_fragment:__,alphahash_pars_fragment:y_,alphamap_fragment:x_,alphamap_pars_fragment:v_,alphatest_fragment:M_,alphatest_pars_fragment:S_,aomap_fragment:b_,aomap_pars_fragment:w_,batching_pars_vertex:A_,batching_vertex:E_,begin_vertex:T_,beginnormal_vertex:R_,bsdfs:C_,iridescence_fragment:I_,bumpmap_pars_fragment:P_,clipping_planes_fragment:L_,clipping_planes_pars_fragment:N_,clipping_planes_pars_vertex:D_,clipping_planes_vertex:U_,color_fragment:F_,color_pars_fragment:O_,color_pars_vertex:B_,color_vertex:k_,common:z_,defaultnormal_vertex:G_,displacementmap_pars_vertex:V_,displacementmap_vertex:H_,emissivemap_fragment:W_,emissivemap_pars_fragment:X_,colorspace_fragment:q_,colorspace_pars_fragment:$_,envmap_fragment:Y_,envmap_common_pars_fragment:Z_,envmap_pars_fragment:J_,envmap_pars_vertex:K_,envmap_physical_pars_fragment:l0,envmap_vertex:j_,fog_vertex:Q_,fog_pars_vertex:e0,fog_fragment:t0,fog_pars_fragment:n0,gradientmap_pars_fragment:i0,lightmap_pars_fragment:s0,lights_lambert_fragment:r0,lights_lambert_pars_fragment:o0,lights_pars_begin:a0,lights_toon_fragment:c0,lights_toon_pars_fragment:u0,lights_phong_fragment:h0,lights_phong_pars_fragment:f0,lights_physical_fragment:d0,lights_physical_pars_fragment:p0,lights_fragment_begin:m0,lights_fragment_maps:g0,lights_fragment_end:_0,lightprobes_pars_fragment:y0,logdepthbuf_fragment:x0,logdepthbuf_pars_fragment:v0,logdepthbuf_pars_vertex:M0,logdepthbuf_vertex:S0,map_fragment:b0,map_pars_fragment:w0,map_particle_fragment:A0,map_particle_pars_fragment:E0,metalnessmap_fragment:T0,metalnessmap_pars_fragment:R0,morphinstance_vertex:C0,morphcolor_vertex:I0,morphnormal_vertex:P0,morphtarget_pars_vertex:L0,morphtarget_vertex:N0,normal_fragment_begin:D0,normal_fragment_maps:U0,normal_pars_fragment:F0,normal_pars_vertex:O0,normal_vertex:B0,normalmap_pars_fragment:k0,clearcoat_normal_fragment_begin:z0,clearcoat_normal_fragment_maps:G0,clearcoat_pars_fragment:V0,iridescence_pars_fragment:H0,opaque_fragment:W0,packing:X0,premultiplied_alpha_fragment:q0,project_vertex:$0,dithering_fragment:Y0,dithering_pars_fragment:Z0,roughnessmap_fragment:J0,roughnessmap_pars_fragment:K0,shadowmap_pars_fragment:j0,shadowmap_pars_vertex:Q0,shadowmap_vertex:ey,shadowmask_pars_fragment:ty,skinbase_vertex:ny,skinning_pars_vertex:iy,skinning_vertex:sy,skinnormal_vertex:ry,specularmap_fragment:oy,specularmap_pars_fragment:ay,tonemapping_fragment:ly,tonemapping_pars_fragment:cy,transmission_fragment:uy,transmission_pars_fragment:hy,uv_pars_fragment:fy,uv_pars_vertex:dy,uv_vertex:py,worldpos_vertex:my,background_vert:gy,background_frag:_y,backgroundCube_vert:yy,backgroundCube_frag:xy,cube_vert:vy,cube_frag:My,depth_vert:Sy,depth_frag:by,distance_vert:wy,distance_frag:Ay,equirect_vert:Ey,equirect_frag:Ty,linedashed_vert:Ry,linedashed_frag:Cy,meshbasic_vert:Iy,meshbasic_frag:Py,meshlambert_vert:Ly,meshlambert_frag:Ny,meshmatcap_vert:Dy,meshmatcap_frag:Uy,meshnormal_vert:Fy,meshnormal_frag:Oy,meshphong_vert:By,meshphong_frag:ky,meshphysical_vert:zy,meshphysical_frag:Gy,meshtoon_vert:Vy,meshtoon_frag:Hy,points_vert:Wy,points_frag:Xy,shadow_vert:qy,shadow_frag:$y,sprite_vert:Yy,sprite_frag:Zy},me={common:{diffuse:{value:new We(16777215)},opacity:{value:1},map:{value:null},mapTransform:{value:new Le},alphaMap:{value:null},alphaMapTransform:{value:new Le},alphaTest:{value:0}},specularmap:{specularMap:{value:null},specularMapTransform:{value:new Le}},envmap:{envMap:{value:null},envMapRotation:{value:new Le},reflectivity:{value:1},ior:{value:1.5},refractionRatio:{value:.98},dfgLUT:{value:null}},aomap:{aoMap:{value:null},aoMapIntensity:{value:1},aoMapTransform:{value:new Le}},lightmap:{lightMap:{value:null},lightMapIntensity:{value:1},lightMapTransform:{value:new Le}},bumpmap:{bumpMap:{value:null},bumpMapTransform:{value:new Le},bumpScale:{value:1}},normalmap:{normalMap:{value:null},normalMapTransform:{value:new Le},normalScale:{value:new qe(1,1)}},displacementmap:{displacementMap:{value:null},displacementMapTransform:{value:new Le},displacementScale:{value:1},displacementBias:{value:0}},emissivemap:{emissiveMap:{value:null},emissiveMapTransform:{value:new Le}},metalnessmap:{metalnessMap:{value:null},metalnessMapTransform:{value:new Le}},roughnessmap:{roughnessMap:{value:null},roughnessMapTransform:{value:new Le}},gradientmap:{gradientMap:{value:null}},fog:{fogDensity:{value:25e-5},fogNear:{value:1},fogFar:{value:2e3},fogColor:{value:new We(16777215)}},lights:{ambientLightColor:{value:[]},lightProbe:{value:[]},sunLights:{value:[],properties:{direction:{},color:{}}},sunLightShadows:{value:[],properties:{shadowIntensity:1,shadowBias:{},shadowNormalBias:{},shadowRadius:{},shadowMapSize:{}}},sunShadowMatrix:{value:[]},sunShadowCascade:{value:[]},directionalLights:{value:[],properties:{direction:{},color:{}}},directionalLightShadows:{value:[],properties:{shadowIntensity:1,shadowBias:{},shadowNormalBias:{},shadowRadius:{},shadowMapSize:{}}},directionalShadowMatrix:{value:[]},spotLights:{value:[],properties:{color:{},position:{},direction:{},distance:{},coneCos:{},penumbraCos:{},decay:{}}},spotLightShadows:{value:[],properties:{shadowIntensity:1,shadowBias:{},shadowNormalBias:{},shadowRadius:{},shadowMapSize:{}}},spotLightMap:{value:[]},spotLightMatrix:{value:[]},pointLights:{value:[],properties:{color:{},position:{},decay:{},distance:{}}},pointLightShadows:{value:[],properties:{shadowIntensity:1,shadowBias:{},shadowNormalBias:{},shadowRadius:{},shadowMapSize:{},shadowCameraNear:{},shadowCameraFar:{}}},pointShadowMatrix:{value:[]},hemisphereLights:{value:[],properties:{direction:{},skyColor:{},groundColor:{}}},rectAreaLights:{value:[],properties:{color:{},position:{},width:{},height:{}}},ltc_1:{value:null},ltc_2:{value:null},probesSH:{value:[]},probesMin:{value:[]},probesMax:{value:[]},probesResolution:{value:[]}},points:{diffuse:{value:new We(16777215)},opacity:{value:1},size:{value:1},scale:{value:1},map:{value:null},alphaMap:{value:null},alphaMapTransform:{value:new Le},alphaTest:{value:0},uvTransform:{value:new Le}},sprite:{diffuse:{value:new We(16777215)},opacity:{value:1},center:{value:new qe(.5,.5)},rotation:{value:0},map:{value:null},mapTransform:{value:new Le},alphaMap:{value:null},alphaMapTransform:{value:new Le},alphaTest:{value:0}}},Tn={basic:{uniforms:It([me.common,me.specularmap,me.envmap,me.aomap,me.lightmap,me.fog]),vertexShader:Be.meshbasic_vert,fragmentShader:Be.meshbasic_frag},lambert:{uniforms:It([me.common,me.specularmap,me.envmap,me.aomap,me.lightmap,me.emissivemap,me.bumpmap,me.normalmap,me.displacementmap,me.fog,me.lights,{emissive:{value:new We(0)},envMapIntensity:{value:1}}]),vertexShader:Be.meshlambert_vert,fragmentShader:Be.meshlambert_frag},phong:{uniforms:It([me.common,me.specularmap,me.envmap,me.aomap,me.lightmap,me.emissivemap,me.bumpmap,me.normalmap,me.displacementmap,me.fog,me.lights,{emissive:{value:new We(0)},specular:{value:new We(1118481)},shininess:{value:30},envMapIntensity:{value:1}}]),vertexShader:Be.meshphong_vert,fragmentShader:Be.meshphong_frag},standard:{uniforms:It([me.common,me.envmap,me.aomap,me.lightmap,me.emissivemap,me.bumpmap,me.normalmap,me.displacementmap,me.roughnessmap,me.metalnessmap,me.fog,me.lights,{emissive:{value:new We(0)},roughness:{value:1},metalness:{value:0},envMapIntensity:{value:1}}]),vertexShader:Be.meshphysical_vert,fragmentShader:Be.meshphysical_frag},toon:{uniforms:It([me.common,me.aomap,me.lightmap,me.emissivemap,me.bumpmap,me.normalmap,me.displacementmap,me.gradientmap,me.fog,me.lights,{emissive:{value:new We(0)}}]),vertexShader:Be.meshtoon_vert,fragmentShader:Be.meshtoon_frag},matcap:{uniforms:It([me.common,me.bumpmap,me.normalmap,me.displacementmap,me.fog,{matcap:{value:null}}]),vertexShader:Be.meshmatcap_vert,fragmentShader:Be.meshmatcap_frag},points:{uniforms:It([me.points,me.fog]),vertexShader:Be.points_vert,fragmentShader:Be.points_frag},dashed:{uniforms:It([me.common,me.fog,{scale:{value:1},dashSize:{value:1},totalSize:{value:2}}]),vertexShader:Be.linedashed_vert,fragmentShader:Be.linedashed_frag},depth:{uniforms:It([me.common,me.displacementmap]),vertexShader:Be.depth_vert,fragmentShader:Be.depth_frag},normal:{uniforms:It([me.common,me.bumpmap,me.normalmap,me.displacementmap,{opacity:{value:1}}]),vertexShader:Be.meshnormal_vert,fragmentShader:Be.meshnormal_frag},sprite:{uniforms:It([me.sprite,me.fog]),vertexShader:Be.sprite_vert,fragmentShader:Be.sprite_frag},background:{uniforms:{uvTransform:{value:new Le},t2D:{value:null},backgroundIntensity:{value:1}},vertexShader:Be.background_vert,fragmentShader:Be.background_frag},backgroundCube:{uniforms:{envMap:{value:null},backgroundBlurriness:{value:0},backgroundIntensity:{value:1},backgroundRotation:{value:new Le}},vertexShader:Be.backgroundCube_vert,fragmentShader:Be.backgroundCube_frag},cube:{uniforms:{tCube:{value:null},tFlip:{value:-1},opacity:{value:1}},vertexShader:Be.cube_vert,fragmentShader:Be.cube_frag},equirect:{uniforms:{tEquirect:{value:null}},vertexShader:Be.equirect_vert,fragmentShader:Be.equirect_frag},distance:{uniforms:It([me.common,me.displacementmap,{referencePosition:{value:new V},nearDistance:{value:1},farDistance:{value:1e3}}]),vertexShader:Be.distance_vert,fragmentShader:Be.distance_frag},shadow:{uniforms:It([me.lights,me.fog,{color:{value:new We(0)},opacity:{value:1}}]),vertexShader:Be.shadow_vert,fragmentShader:Be.shadow_frag}};Tn.physical={uniforms:It([Tn.standard.uniforms,{clearcoat:{value:0},clearcoatMap:{value:null},clearcoatMapTransform:{value:new Le},clearcoatNormalMap:{value:null},clearcoatNormalMapTransform:{value:new Le},clearcoatNormalScale:{value:new qe(1,1)},clearcoatRoughness:{value:0},clearcoatRoughnessMap:{value:null},clearcoatRoughnessMapTransform:{value:new Le},diffuseRoughness:{value:0},diffuseRoughnessMap:{value:null},diffuseRoughnessMapTransform:{value:new Le},dispersion:{value:0},retroreflectivity:{value:0},iridescence:{value:0},iridescenceMap:{value:null},iridescenceMapTransform:{value:new Le},iridescenceIOR:{value:1.3},iridescenceThicknessMinimum:{value:100},iridescenceThicknessMaximum:{value:400},iridescenceThicknessMap:{value:null},iridescenceThicknessMapTransform:{value:new Le},sheen:{value:0},sheenColor:{value:new We(0)},sheenColorMap:{value:null},sheenColorMapTransform:{value:new Le},sheenRoughness:{value:1},sheenRoughnessMap:{value:null},sheenRoughnessMapTransform:{value:new Le},transmission:{value:0},transmissionMap:{value:null},transmissionMapTransform:{value:new Le},transmissionSamplerSize:{value:new qe},transmissionSamplerMap:{value:null},thickness:{value:0},thicknessMap:{value:null},thicknessMapTransform:{value:new Le},attenuationDistance:{value:0},attenuationColor:{value:new We(0)},specularColor:{value:new We(1,1,1)},specularColorMap:{value:null},specularColorMapTransform:{value:new Le},specularIntensity:{value:1},specularIntensityMap:{value:null},specularIntensityMapTransform:{value:new Le},anisotropyVector:{value:new qe},anisotropyMap:{value:null},anisotropyMapTransform:{value:new Le}}]),vertexShader:Be.meshphysical_vert,fragmentShader:Be.meshphysical_frag};var Ya={r:0,b:0,g:0},Jy=new nt,dp=new Le;dp.set(-1,0,0,0,1,0,0,0,1);function Ky(n,e,t,i,s,r){let o=new We(0),a=s===!0?0:1,l,c,u=null,h=0,f=null;function d(x){let b=x.isScene===!0?x.background:null;if(b&&b.isTexture){let S=x.backgroundBlurriness>0;b=e.get(b,S)}return b}function m(x){let b=!1,S=d(x);S===null?g(o,a):S&&S.isColor&&(g(S,1),b=!0);let E=n.xr.getEnvironmentBlendMode();E==="additive"?t.buffers.color.setClear(0,0,0,1,r):E==="alpha-blend"&&t.buffers.color.setClear(0,0,0,0,r),(n.autoClear||b)&&(t.buffers.depth.setTest(!0),t.buffers.depth.setMask(!0),t.buffers.color.setMask(!0),n.clear(n.autoClearColor,n.autoClearDepth,n.autoClearStencil))}function y(x,b){let S=d(b);S&&S.isCubeTexture?(c===void 0&&(c=new rn(new us(1,1,1),new on({name:"BackgroundCubeMaterial",uniforms:Di(Tn.backgroundCube.uniforms),vertexShader:Tn.backgroundCube.vertexShader,fragmentShader:Tn.backgroundCube.fragmentShader,side:Ut,depthTest:!1,depthWrite:!1,fog:!1,allowOverride:!1})),c.geometry.deleteAttribute("normal"),c.geometry.deleteAttribute("uv"),c.onBeforeRender=function(E,T,_){this.matrixWorld.copyPosition(_.matrixWorld)},Object.defineProperty(c.material,"envMap",{get:function(){return this.uniforms.envMap.value}}),i.update(c)),c.material.uniforms.envMap.value=S,c.material.uniforms.backgroundBlurriness.value=b.backgroundBlurriness,c.material.uniforms.backgroundIntensity.value=b.backgroundIntensity,c.material.uniforms.backgroundRotation.value.setFromMatrix4(Jy.makeRotationFromEuler(b.backgroundRotation)).transpose(),S.isRenderTargetTexture===!1&&c.material.uniforms.backgroundRotation.value.premultiply(dp),c.material.toneMapped=Ve.getTransfer(S.colorSpace)!==Ye,(u!==S||h!==S.version||f!==n.toneMapping)&&(c.material.needsUpdate=!0,u=S,h=S.version,f=n.toneMapping),c.layers.enableAll(),x.unshift(c,c.geometry,c.material,0,0,null)):S&&S.isTexture&&(l===void 0&&(l=new rn(new Ci(2,2),new on({name:"BackgroundMaterial",uniforms:Di(Tn.background.uniforms),vertexShader:Tn.background.vertexShader,fragmentShader:Tn.background.fragmentShader,side:ci,depthTest:!1,depthWrite:!1,fog:!1,allowOverride:!1})),l.geometry.deleteAttribute("normal"),Object.defineProperty(l.material,"map",{get:function(){return this.uniforms.t2D.value}}),i.update(l)),l.material.uniforms.t2D.value=S,l.material.uniforms.backgroundIntensity.value=b.backgroundIntensity,l.material.toneMapped=Ve.getTransfer(S.colorSpace)!==Ye,S.matrixAutoUpdate===!0&&S.updateMatrix(),l.material.uniforms.uvTransform.value.copy(S.matrix),(u!==S||h!==S.version||f!==n.toneMapping)&&(l.material.needsUpdate=!0,u=S,h=S.version,f=n.toneMapping),l.layers.enableAll(),x.unshift(l,l.geometry,l.material,0,0,null))}function g(x,b){x.getRGB(Ya,nu(n)),t.buffers.color.setClear(Ya.r,Ya.g,Ya.b,b,r)}function p(){c!==void 0&&(c.geometry.dispose(),c.material.dispose(),c=void 0),l!==void 0&&(l.geometry.dispose(),l.material.dispose(),l=void 0)}return{getClearColor:function(){return o},setClearColor:function(x,b=1){o.set(x),a=b,g(o,a)},getClearAlpha:function(){return a},setClearAlpha:function(x){a=x,g(o,a)},render:m,addToRenderList:y,dispose:p}}function jy(n,e){let t=n.getParameter(n.MAX_VERTEX_ATTRIBS),i={},s=f(null),r=s,o=!1;function a(N,k,W,C,G){let $=!1,B=h(N,C,W,k);r!==B&&(r=B,c(r.object)),$=d(N,C,W,G),$&&m(N,C,W,G),G!==null&&e.update(G,n.ELEMENT_ARRAY_BUFFER),($||o)&&(o=!1,S(N,k,W,C),G!==null&&n.bindBuffer(n.ELEMENT_ARRAY_BUFFER,e.get(G).buffer))}function l(){return n.createVertexArray()}function c(N){return n.bindVertexArray(N)}function u(N){return n.deleteVertexArray(N)}function h(N,k,W,C){let G=C.wireframe===!0,$=i[k.id];$===void 0&&($={},i[k.id]=$);let B=N.isInstancedMesh===!0?N.id:0,ee=$[B];ee===void 0&&(ee={},$[B]=ee);let H=ee[W.id];H===void 0&&(H={},ee[W.id]=H);let j=H[G];return j===void 0&&(j=f(l()),H[G]=j),j}function f(N){let k=[],W=[],C=[];for(let G=0;G<t;G++)k[G]=0,W[G]=0,C[G]=0;return{geometry:null,program:null,wireframe:!1,newAttributes:k,enabledAttributes:W,attributeDivisors:C,object:N,attributes:{},index:null}}function d(N,k,W,C){let G=r.attributes,$=k.attributes,B=0,ee=W.getAttributes();for(let H in ee)if(ee[H].location>=0){let Q=G[H],ve=$[H];if(ve===void 0&&(H==="instanceMatrix"&&N.instanceMatrix&&(ve=N.instanceMatrix),H==="instanceColor"&&N.instanceColor&&(ve=N.instanceColor)),Q===void 0||Q.attribute!==ve||ve&&Q.data!==ve.data)return!0;B++}return r.attributesNum!==B||r.index!==C}function m(N,k,W,C){let G={},$=k.attributes,B=0,ee=W.getAttributes();for(let H in ee)if(ee[H].location>=0){let Q=$[H];Q===void 0&&(H==="instanceMatrix"&&N.instanceMatrix&&(Q=N.instanceMatrix),H==="instanceColor"&&N.instanceColor&&(Q=N.instanceColor));let ve={};ve.attribute=Q,Q&&Q.data&&(ve.data=Q.data),G[H]=ve,B++}r.attributes=G,r.attributesNum=B,r.index=C}function y(){let N=r.newAttributes;for(let k=0,W=N.length;k<W;k++)N[k]=0}function g(N){p(N,0)}function p(N,k){let W=r.newAttributes,C=r.enabledAttributes,G=r.attributeDivisors;W[N]=1,C[N]===0&&(n.enableVertexAttribArray(N),C[N]=1),G[N]!==k&&(n.vertexAttribDivisor(N,k),G[N]=k)}function x(){let N=r.newAttributes,k=r.enabledAttributes;for(let W=0,C=k.length;W<C;W++)k[W]!==N[W]&&(n.disableVertexAttribArray(W),k[W]=0)}function b(N,k,W,C,G,$,B){B===!0?n.vertexAttribIPointer(N,k,W,G,$):n.vertexAttribPointer(N,k,W,C,G,$)}function S(N,k,W,C){y();let G=C.attributes,$=W.getAttributes(),B=k.defaultAttributeValues;for(let ee in $){let H=$[ee];if(H.location>=0){let j=G[ee];if(j===void 0&&(ee==="instanceMatrix"&&N.instanceMatrix&&(j=N.instanceMatrix),ee==="instanceColor"&&N.instanceColor&&(j=N.instanceColor)),j!==void 0){let Q=j.normalized,ve=j.itemSize,Pe=e.get(j);if(Pe===void 0)continue;let Y=Pe.buffer,fe=Pe.type,ye=Pe.bytesPerElement,Ee=fe===n.INT||fe===n.UNSIGNED_INT||j.gpuType===fa;if(j.isInterleavedBufferAttribute){let ge=j.data,Ue=ge.isInterleavedBuffer===!0?ge.stride:ge.itemSize,ct=j.offset;if(ge.isInstancedInterleavedBuffer||ge.isInstancedBufferAttribute){for(let Re=0;Re<H.locationSize;Re++)p(H.location+Re,ge.meshPerAttribute);N.isInstancedMesh!==!0&&C._maxInstanceCount===void 0&&(C._maxInstanceCount=ge.meshPerAttribute*ge.count)}else for(let Re=0;Re<H.locationSize;Re++)g(H.location+Re);n.bindBuffer(n.ARRAY_BUFFER,Y);for(let Re=0;Re<H.locationSize;Re++)b(H.location+Re,ve/H.locationSize,fe,Q,Ue*ye,(ct+ve/H.locationSize*Re)*ye,Ee)}else{if(j.isInstancedBufferAttribute){for(let ge=0;ge<H.locationSize;ge++)p(H.location+ge,j.meshPerAttribute);N.isInstancedMesh!==!0&&C._maxInstanceCount===void 0&&(C._maxInstanceCount=j.meshPerAttribute*j.count)}else for(let ge=0;ge<H.locationSize;ge++)g(H.location+ge);n.bindBuffer(n.ARRAY_BUFFER,Y);for(let ge=0;ge<H.locationSize;ge++)b(H.location+ge,ve/H.locationSize,fe,Q,ve*ye,ve/H.locationSize*ge*ye,Ee)}}else if(B!==void 0){let Q=B[ee];if(Q!==void 0)switch(Q.length){case 2:n.vertexAttrib2fv(H.location,Q);break;case 3:n.vertexAttrib3fv(H.location,Q);break;case 4:n.vertexAttrib4fv(H.location,Q);break;default:n.vertexAttrib1fv(H.location,Q)}}}}x()}function E(){D();for(let N in i){let k=i[N];for(let W in k){let C=k[W];for(let G in C){let $=C[G];for(let B in $)u($[B].object),delete $[B];delete C[G]}}delete i[N]}}function T(N){if(i[N.id]===void 0)return;let k=i[N.id];for(let W in k){let C=k[W];for(let G in C){let $=C[G];for(let B in $)u($[B].object),delete $[B];delete C[G]}}delete i[N.id]}function _(N){for(let k in i){let W=i[k];for(let C in W){let G=W[C];if(G[N.id]===void 0)continue;let $=G[N.id];for(let B in $)u($[B].object),delete $[B];delete G[N.id]}}}function w(N){for(let k in i){let W=i[k],C=N.isInstancedMesh===!0?N.id:0,G=W[C];if(G!==void 0){for(let $ in G){let B=G[$];for(let ee in B)u(B[ee].object),delete B[ee];delete G[$]}delete W[C],Object.keys(W).length===0&&delete i[k]}}}function D(){P(),o=!0,r!==s&&(r=s,c(r.object))}function P(){s.geometry=null,s.program=null,s.wireframe=!1}return{setup:a,reset:D,resetDefaultState:P,dispose:E,releaseStatesOfGeometry:T,releaseStatesOfObject:w,releaseStatesOfProgram:_,initAttributes:y,enableAttribute:g,disableUnusedAttributes:x}}function Qy(n,e,t){let i;function s(l){i=l}function r(l,c){n.drawArrays(i,l,c),t.update(c,i,1)}function o(l,c,u){u!==0&&(n.drawArraysInstanced(i,l,c,u),t.update(c,i,u))}function a(l,c,u){if(u===0)return;e.get("WEBGL_multi_draw").multiDrawArraysWEBGL(i,l,0,c,0,u);let f=0;for(let d=0;d<u;d++)f+=c[d];t.update(f,i,1)}this.setMode=s,this.render=r,this.renderInstances=o,this.renderMultiDraw=a}function ex(n,e,t,i){let s;function r(){if(s!==void 0)return s;if(e.has("EXT_texture_filter_anisotropic")===!0){let _=e.get("EXT_texture_filter_anisotropic");s=n.getParameter(_.MAX_TEXTURE_MAX_ANISOTROPY_EXT)}else s=0;return s}function o(_){return!(_!==gn&&i.convert(_)!==n.getParameter(n.IMPLEMENTATION_COLOR_READ_FORMAT))}function a(_){let w=_===Zt&&(e.has("EXT_color_buffer_half_float")||e.has("EXT_color_buffer_float"));return!(_!==$t&&_!==Yt&&!w&&i.convert(_)!==n.getParameter(n.IMPLEMENTATION_COLOR_READ_TYPE))}function l(_){if(_==="highp"){if(n.getShaderPrecisionFormat(n.VERTEX_SHADER,n.HIGH_FLOAT).precision>0&&n.getShaderPrecisionFormat(n.FRAGMENT_SHADER,n.HIGH_FLOAT).precision>0)return"highp";_="mediump"}return _==="mediump"&&n.getShaderPrecisionFormat(n.VERTEX_SHADER,n.MEDIUM_FLOAT).precision>0&&n.getShaderPrecisionFormat(n.FRAGMENT_SHADER,n.MEDIUM_FLOAT).precision>0?"mediump":"lowp"}let c=t.precision!==void 0?t.precision:"highp",u=l(c);u!==c&&(Ce("WebGLRenderer:",c,"not supported, using",u,"instead."),c=u);let h=t.reversedDepthBuffer===!0&&e.has("EXT_clip_control"),f=t.logarithmicDepthBuffer===!0&&h===!1;t.reversedDepthBuffer===!0&&h===!1&&Ce("WebGLRenderer: Unable to use reversed depth buffer due to missing EXT_clip_control extension. Fallback to default depth buffer."),t.logarithmicDepthBuffer===!0&&h===!0&&Ce("WebGLRenderer: Logarithmic depth buffer is ignored when reversed depth buffer is enabled.");let d=n.getParameter(n.MAX_TEXTURE_IMAGE_UNITS),m=n.getParameter(n.MAX_VERTEX_TEXTURE_IMAGE_UNITS),y=n.getParameter(n.MAX_TEXTURE_SIZE),g=n.getParameter(n.MAX_CUBE_MAP_TEXTURE_SIZE),p=n.getParameter(n.MAX_VERTEX_ATTRIBS),x=n.getParameter(n.MAX_VERTEX_UNIFORM_VECTORS),b=n.getParameter(n.MAX_VARYING_VECTORS),S=n.getParameter(n.MAX_FRAGMENT_UNIFORM_VECTORS),E=n.getParameter(n.MAX_SAMPLES),T=n.getParameter(n.SAMPLES);return{isWebGL2:!0,getMaxAnisotropy:r,getMaxPrecision:l,textureFormatReadable:o,textureTypeReadable:a,precision:c,logarithmicDepthBuffer:f,reversedDepthBuffer:h,maxTextures:d,maxVertexTextures:m,maxTextureSize:y,maxCubemapSize:g,maxAttributes:p,maxVertexUniforms:x,maxVaryings:b,maxFragmentUniforms:S,maxSamples:E,samples:T}}function tx(n){let e=this,t=null,i=0,s=!1,r=!1,o=new pn,a=new Le,l={value:null,needsUpdate:!1};this.uniform=l,this.numPlanes=0,this.numIntersection=0,this.init=function(h,f){let d=h.length!==0||f||i!==0||s;return s=f,i=h.length,d},this.beginShadows=function(){r=!0,u(null)},this.endShadows=function(){r=!1},this.setGlobalState=function(h,f){t=u(h,f,0)},this.setState=function(h,f,d){let m=h.clippingPlanes,y=h.clipIntersection,g=h.clipShadows,p=n.get(h);if(!s||m===null||m.length===0||r&&!g)r?u(null):c();else{let x=r?0:i,b=x*4,S=p.clippingState||null;l.value=S,S=u(m,f,b,d);for(let E=0;E!==b;++E)S[E]=t[E];p.clippingState=S,this.numIntersection=y?this.numPlanes:0,this.numPlanes+=x}};function c(){l.value!==t&&(l.value=t,l.needsUpdate=i>0),e.numPlanes=i,e.numIntersection=0}function u(h,f,d,m){let y=h!==null?h.length:0,g=null;if(y!==0){if(g=l.value,m!==!0||g===null){let p=d+y*4,x=f.matrixWorldInverse;a.getNormalMatrix(x),(g===null||g.length<p)&&(g=new Float32Array(p));for(let b=0,S=d;b!==y;++b,S+=4)o.copy(h[b]).applyMatrix4(x,a),o.normal.toArray(g,S),g[S+3]=o.constant}l.value=g,l.needsUpdate=!0}return e.numPlanes=y,e.numIntersection=0,g}}var gr=class extends Dt{constructor(e=1,t={}){super(e,e,t),this.isWebGLCubeRenderTarget=!0;let i={width:e,height:e,depth:1},s=[i,i,i,i,i,i];this.texture=new js(s),this._setTextureOptions(t),this.texture.isRenderTargetTexture=!0}fromEquirectangularTexture(e,t){this.texture.type=t.type,this.texture.colorSpace=t.colorSpace,this.texture.generateMipmaps=t.generateMipmaps,this.texture.minFilter=t.minFilter,this.texture.magFilter=t.magFilter;let i={uniforms:{tEquirect:{value:null}},vertexShader:`

				varying vec3 vWorldDirection;

				vec3 transformDirection( in vec3 dir, in mat4 matrix ) {

					return normalize( ( matrix * vec4( dir, 0.0 ) ).xyz );

				}

				void main() {

					vWorldDirection = transformDirection( position, modelMatrix );

					#include <begin_vertex>
					#include <project_vertex>

				}
			`,fragmentShader:`

				uniform sampler2D tEquirect;

				varying vec3 vWorldDirection;

				#include <common>

				void main() {

					vec3 direction = normalize( vWorldDirection );

					vec2 sampleUV = equirectUv( direction );

					gl_FragColor = texture2D( tEquirect, sampleUV );

				}
			`},s=new us(5,5,5),r=new on({name:"CubemapFromEquirect",uniforms:Di(i.uniforms),vertexShader:i.vertexShader,fragmentShader:i.fragmentShader,side:Ut,blending:Pi});r.uniforms.tEquirect.value=t;let o=new rn(s,r),a=t.minFilter;return t.minFilter===Hn&&(t.minFilter=Nt),new fs(1,10,this).update(e,o),t.minFilter=a,o.geometry.dispose(),o.material.dispose(),this}clear(e,t=!0,i=!0,s=!0){let r=e.getRenderTarget();for(let o=0;o<6;o++)e.setRenderTarget(this,o),e.clear(t,i,s);e.setRenderTarget(r)}},Xd=256,nx=3,ix=20,pp=256,mp=16,sx=3,rx=new V,ox=new We,Ja=class n{constructor(e){this._renderer=e,this._cubeSize=0,this._sourceTarget=null,this._cubeCamera=new fs(1,10,null),this._boxMesh=new rn(new us(5,5,5),null),this._cubemapMaterial=null,this._equirectMaterial=null,this._blurMaterial=null,this._ggxMaterial=null,this._integrationMaterial=null}fromScene(e,t=0,i=.1,s=100,r={}){let{size:o=256,position:a=rx}=r,l=this._renderer;this._setSize(o);let c=this._allocateTarget(),u=this._getSourceTarget(!0);t>0&&(u.texture.mipmapsAutoUpdate=!1);let h=l.autoClear,f=l.autoClearColor,d=l.autoClearDepth,m=l.autoClearStencil,y=e.background;l.autoClear=!0,l.autoClearColor=!0,l.autoClearDepth=!0,l.autoClearStencil=!0,y===null&&(e.background=l.getClearColor(ox));let g=new fs(i,s,u);return g.position.copy(a),g.update(l,e),l.autoClear=h,l.autoClearColor=f,l.autoClearDepth=d,l.autoClearStencil=m,e.background=y,t>0&&(u.texture.mipmapsAutoUpdate=!0,this._blur(c,t)),this._applyPMREM(c),c}fromEquirectangular(e,t=null){return this._fromTexture(e,t)}fromCubemap(e,t=null){return this._fromTexture(e,t)}compileCubemapShader(){this._cubemapMaterial===null&&(this._cubemapMaterial=Yd(),this._compileMaterial(this._cubemapMaterial))}compileEquirectangularShader(){this._equirectMaterial===null&&(this._equirectMaterial=$d(),this._compileMaterial(this._equirectMaterial))}dispose(){this._sourceTarget!==null&&this._sourceTarget.dispose(),this._cubemapMaterial!==null&&this._cubemapMaterial.dispose(),this._equirectMaterial!==null&&this._equirectMaterial.dispose(),this._blurMaterial!==null&&this._blurMaterial.dispose(),this._ggxMaterial!==null&&this._ggxMaterial.dispose(),this._integrationMaterial!==null&&this._integrationMaterial.dispose(),this._boxMesh.geometry.dispose()}static lodToRoughness(e,t){return t>0?1-Math.sqrt(1-e/t):0}_setSize(e){this._cubeSize=Math.max(Xd,zd(e))}_fromTexture(e,t){e.mapping===Li||e.mapping===ms?this._setSize(e.image.length===0?Xd:e.image[0].width||e.image[0].image.width):this._setSize(e.image.width/4);let i=t||this._allocateTarget();return this._textureToCubemap(e),this._applyPMREM(i),i}_allocateTarget(){let e=this._cubeSize,t=qd(e,!1,!1),i=Math.log2(e)-nx;for(let s=0;s<=i;s++)t.texture.mipmaps.push({width:e>>s,height:e>>s});return t.texture.name="PMREM",t.texture.isPMREMTexture=!0,t}_getSourceTarget(e=!1){let t=this._cubeSize,i=this._sourceTarget;return(i===null||i.width!==t||e&&i.depthBuffer===!1)&&(i!==null&&i.dispose(),this._sourceTarget=qd(t,!0,e)),this._sourceTarget}_compileMaterial(e){this._boxMesh.material=e,this._renderer.compile(this._boxMesh,this._cubeCamera.children[0])}_renderCube(e,t,i){let s=this._boxMesh,r=this._cubeCamera;s.material=i,r.renderTarget=e,r.activeMipmapLevel=t;let o=e.width>>t;e.viewport.set(0,0,o,o),r.update(this._renderer,s),e.viewport.set(0,0,e.width,e.height)}_textureToCubemap(e){let t;e.mapping===Li||e.mapping===ms?(this._cubemapMaterial===null&&(this._cubemapMaterial=Yd()),t=this._cubemapMaterial,t.uniforms.flipEnvMap.value=e.isRenderTargetTexture===!1?-1:1):(this._equirectMaterial===null&&(this._equirectMaterial=$d()),t=this._equirectMaterial),t.uniforms.envMap.value=e,this._renderCube(this._getSourceTarget(),0,t)}_applyPMREM(e){this._ggxMaterial===null&&(this._ggxMaterial=ax(),this._integrationMaterial=lx());let t=this._cubeSize,i=e.texture.mipmaps.length-1,s=this._ggxMaterial.uniforms;s.envMap.value=this._sourceTarget.texture;let r=this._integrationMaterial.uniforms;r.envMap.value=this._sourceTarget.texture,r.sourceLod.value=Math.log2(t/mp);for(let o=0;o<=i;o++){let a=n.lodToRoughness(o,i);if(o>i-sx)r.roughness.value=a,this._renderCube(e,o,this._integrationMaterial);else{let l=a>0?Math.log2(t)+.5*Math.log2(6/(pp*Math.pow(a,4)))+.5:0;s.roughness.value=a,s.lodBias.value=l,this._renderCube(e,o,this._ggxMaterial)}}}_blur(e,t){this._blurMaterial===null&&(this._blurMaterial=cx());let i=this._blurMaterial,s=i.uniforms,r=this._sourceTarget;s.sigma.value=Math.min(t,Math.PI)/Math.SQRT2,s.envMap.value=r.texture,this._renderCube(e,0,i),s.envMap.value=e.texture,this._renderCube(r,0,i)}};function qd(n,e,t){return new gr(n,{minFilter:Hn,generateMipmaps:e,type:Zt,colorSpace:Hs,depthBuffer:t})}function _r(n,e,t){return new on({name:n,uniforms:e,vertexShader:Be.cube_vert,fragmentShader:t,side:Ut,blending:Pi,depthTest:!1,depthWrite:!1})}function ax(){return _r("PMREMGGXConvolution",{envMap:{value:null},roughness:{value:0},lodBias:{value:0}},`

		#define GGX_SAMPLES ${pp}u

		varying vec3 vWorldDirection;

		uniform samplerCube envMap;
		uniform float roughness;
		uniform float lodBias;

		#include <common>

		// Van der Corput radical inverse
		float radicalInverse_VdC( uint bits ) {

			bits = ( bits << 16u ) | ( bits >> 16u );
			bits = ( ( bits & 0x55555555u ) << 1u ) | ( ( bits & 0xAAAAAAAAu ) >> 1u );
			bits = ( ( bits & 0x33333333u ) << 2u ) | ( ( bits & 0xCCCCCCCCu ) >> 2u );
			bits = ( ( bits & 0x0F0F0F0Fu ) << 4u ) | ( ( bits & 0xF0F0F0F0u ) >> 4u );
			bits = ( ( bits & 0x00FF00FFu ) << 8u ) | ( ( bits & 0xFF00FF00u ) >> 8u );
			return float( bits ) * 2.3283064365386963e-10; // / 0x100000000

		}

		// Hammersley sequence
		vec2 hammersley( uint i, uint N ) {

			return vec2( float( i ) / float( N ), radicalInverse_VdC( i ) );

		}

		void main() {

			vec3 N = normalize( vWorldDirection );

			// For very low roughness, just sample the environment directly
			if ( roughness < 0.001 ) {

				gl_FragColor = vec4( textureLod( envMap, N, 0.0 ).rgb, 1.0 );
				return;

			}

			float alpha = roughness * roughness;
			float alpha2 = alpha * alpha;

			// Tangent space basis for VNDF sampling
			vec3 up = abs( N.z ) < 0.999 ? vec3( 0.0, 0.0, 1.0 ) : vec3( 1.0, 0.0, 0.0 );
			vec3 tangent = normalize( cross( up, N ) );
			vec3 bitangent = cross( N, tangent );

			vec3 prefilteredColor = vec3( 0.0 );
			float totalWeight = 0.0;

			for ( uint i = 0u; i < GGX_SAMPLES; i ++ ) {

				vec2 Xi = hammersley( i, GGX_SAMPLES );

				// With V = N, sample the reflected direction directly.
				float invQ = 1.0 / ( 1.0 - Xi.x + alpha2 * Xi.x );
				float NdotL = ( 1.0 - Xi.x - alpha2 * Xi.x ) * invQ;

				if ( NdotL > 0.0 ) {

					float phi = 2.0 * PI * Xi.y;
					float sinTheta = 2.0 * alpha * sqrt( Xi.x * ( 1.0 - Xi.x ) ) * invQ;
					vec3 L = N * NdotL + ( tangent * cos( phi ) + bitangent * sin( phi ) ) * sinTheta;

					// Match the source mip to the sample's solid angle. The terms
					// independent of the sample are precomputed in lodBias.
					float d = alpha2 * invQ;
					float lod = max( log2( d ) + lodBias, 0.0 );

					// Weight by NdotL for the split-sum approximation
					prefilteredColor += textureLod( envMap, L, lod ).rgb * NdotL;
					totalWeight += NdotL;

				}

			}

			gl_FragColor = vec4( prefilteredColor / totalWeight, 1.0 );

		}
	`)}function lx(){return _r("PMREMGGXIntegration",{envMap:{value:null},roughness:{value:0},sourceLod:{value:0},sourceSize:{value:mp}},`

		varying vec3 vWorldDirection;

		uniform samplerCube envMap;
		uniform float roughness;
		uniform float sourceLod;
		uniform int sourceSize;

		void main() {

			vec3 N = normalize( vWorldDirection );

			float alpha = roughness * roughness;
			float alpha2 = alpha * alpha;

			float texelSize = 2.0 / float( sourceSize );

			vec3 prefilteredColor = vec3( 0.0 );
			float totalWeight = 0.0;

			// Pair opposite texels: only the one in N's hemisphere contributes.
			for ( int face = 0; face < 3; face ++ ) {

				for ( int y = 0; y < sourceSize; y ++ ) {

					for ( int x = 0; x < sourceSize; x ++ ) {

						vec2 uv = ( vec2( x, y ) + 0.5 ) * texelSize - 1.0;
						vec3 texelDirection = face == 0 ? vec3( 1.0, uv ) : ( face == 1 ? vec3( uv.x, 1.0, uv.y ) : vec3( uv, 1.0 ) );

						float invDistance = inversesqrt( 1.0 + dot( uv, uv ) );
						float NdotL = dot( N, texelDirection );
						texelDirection *= NdotL < 0.0 ? - 1.0 : 1.0;
						NdotL = abs( NdotL ) * invDistance;

						// With V = N, NdotH squared is ( 1 + NdotL ) / 2. Common factors
						// in the GGX distribution and texel solid angle cancel when normalized.
						float d = 1.0 + alpha2 + ( alpha2 - 1.0 ) * NdotL;
						float weight = NdotL * invDistance * invDistance * invDistance / ( d * d );

						prefilteredColor += textureLod( envMap, texelDirection, sourceLod ).rgb * weight;
						totalWeight += weight;

					}

				}

			}

			gl_FragColor = vec4( prefilteredColor / totalWeight, 1.0 );

		}
	`)}function cx(){return _r("PMREMSphericalGaussianBlur",{envMap:{value:null},sigma:{value:0}},`

		#define SAMPLES ${ix}
		#define GOLDEN_ANGLE 2.39996322973

		varying vec3 vWorldDirection;

		uniform samplerCube envMap;
		uniform float sigma;

		#include <common>

		void main() {

			vec3 outputDirection = normalize( vWorldDirection );

			vec3 up = abs( outputDirection.z ) < 0.999 ? vec3( 0.0, 0.0, 1.0 ) : vec3( 1.0, 0.0, 0.0 );
			vec3 tangent = normalize( cross( up, outputDirection ) );
			vec3 bitangent = cross( outputDirection, tangent );

			// Truncate the kernel at three standard deviations or at the antipode.
			float thetaMax = min( 3.0 * sigma, PI );
			float truncation = 1.0 - exp( - 0.5 * thetaMax * thetaMax / ( sigma * sigma ) );

			vec3 accumColor = vec3( 0.0 );
			float accumWeight = 0.0;

			for ( int i = 0; i < SAMPLES; i ++ ) {

				// Stratified inverse-CDF sampling of the Gaussian, placed on a golden-angle spiral.
				float stratum = ( float( i ) + 0.5 ) / float( SAMPLES );
				float theta = sigma * sqrt( - 2.0 * log( 1.0 - stratum * truncation ) );
				float phi = float( i ) * GOLDEN_ANGLE;

				vec3 offset = cos( phi ) * tangent + sin( phi ) * bitangent;
				vec3 sampleDirection = cos( theta ) * outputDirection + sin( theta ) * offset;

				// Correct the planar sample density to solid angle.
				float weight = sin( theta ) / theta;

				accumColor += weight * textureLod( envMap, sampleDirection, 0.0 ).rgb;
				accumWeight += weight;

			}

			gl_FragColor = vec4( accumColor / accumWeight, 1.0 );

		}
	`)}function $d(){return _r("PMREMEquirectangularToCubemap",{envMap:{value:null}},`

		varying vec3 vWorldDirection;

		uniform sampler2D envMap;

		#include <common>

		void main() {

			// Average four subpixel samples to preserve small, bright features.
			vec3 direction = normalize( vWorldDirection );
			vec3 dx = dFdx( direction ) * 0.25;
			vec3 dy = dFdy( direction ) * 0.25;

			vec3 color = textureLod( envMap, equirectUv( normalize( direction - dx - dy ) ), 0.0 ).rgb;
			color += textureLod( envMap, equirectUv( normalize( direction + dx - dy ) ), 0.0 ).rgb;
			color += textureLod( envMap, equirectUv( normalize( direction - dx + dy ) ), 0.0 ).rgb;
			color += textureLod( envMap, equirectUv( normalize( direction + dx + dy ) ), 0.0 ).rgb;
			gl_FragColor = vec4( color * 0.25, 1.0 );

		}
	`)}function Yd(){return _r("PMREMCubemapToCubemap",{envMap:{value:null},flipEnvMap:{value:-1}},`

		varying vec3 vWorldDirection;

		uniform samplerCube envMap;
		uniform float flipEnvMap;

		void main() {

			gl_FragColor = vec4( textureCube( envMap, vec3( flipEnvMap * vWorldDirection.x, vWorldDirection.yz ) ).rgb, 1.0 );

		}
	`)}function ux(n){let e=new WeakMap,t=new WeakMap,i=null;function s(f,d=!1){return f==null?null:d?o(f):r(f)}function r(f){if(f&&f.isTexture){let d=f.mapping;if(d===ca||d===ua)if(e.has(f)){let m=e.get(f).texture;return a(m,f.mapping)}else{let m=f.image;if(m&&m.height>0){let y=new gr(m.height);return y.fromEquirectangularTexture(n,f),e.set(f,y),f.addEventListener("dispose",c),a(y.texture,f.mapping)}else return null}}return f}function o(f){if(f&&f.isTexture&&f.isPMREMTexture!==!0){let d=f.mapping,m=d===ca||d===ua,y=d===Li||d===ms;if(m||y){let g=t.get(f),p=g!==void 0?g.texture.pmremVersion:0;if(f.isRenderTargetTexture&&f.pmremVersion!==p)return i===null&&(i=new Ja(n)),g=m?i.fromEquirectangular(f,g):i.fromCubemap(f,g),g.texture.pmremVersion=f.pmremVersion,t.set(f,g),g.texture;if(g!==void 0)return g.texture;{let x=f.image;return m&&x&&x.height>0||y&&x&&l(x)?(i===null&&(i=new Ja(n)),g=m?i.fromEquirectangular(f):i.fromCubemap(f),g.texture.pmremVersion=f.pmremVersion,t.set(f,g),f.addEventListener("dispose",u),g.texture):null}}}return f}function a(f,d){return d===ca?f.mapping=Li:d===ua&&(f.mapping=ms),f}function l(f){let d=0,m=6;for(let y=0;y<m;y++)f[y]!==void 0&&d++;return d===m}function c(f){let d=f.target;d.removeEventListener("dispose",c);let m=e.get(d);m!==void 0&&(e.delete(d),m.dispose())}function u(f){let d=f.target;d.removeEventListener("dispose",u);let m=t.get(d);m!==void 0&&(t.delete(d),m.dispose())}function h(){e=new WeakMap,t=new WeakMap,i!==null&&(i.dispose(),i=null)}return{get:s,dispose:h}}function hx(n){let e={};function t(i){if(e[i]!==void 0)return e[i];let s=n.getExtension(i);return e[i]=s,s}return{has:function(i){return t(i)!==null},init:function(){t("EXT_color_buffer_float"),t("WEBGL_clip_cull_distance"),t("OES_texture_float_linear"),t("EXT_color_buffer_half_float"),t("WEBGL_multisampled_render_to_texture"),t("WEBGL_render_shared_exponent")},get:function(i){let s=t(i);return s===null&&Gs("WebGLRenderer: "+i+" extension not supported."),s}}}function fx(n,e,t,i){let s={},r=new WeakMap,o=new FinalizationRegistry(m=>delete s[m]);function a(m){l(m.target)}function l(m){m.index!==null&&e.remove(m.index);for(let g in m.attributes)e.remove(m.attributes[g]);m.removeEventListener("dispose",a),delete s[m.id],o.unregister(m);let y=r.get(m);y&&(e.remove(y),r.delete(m)),i.releaseStatesOfGeometry(m),m.isInstancedBufferGeometry===!0&&delete m._maxInstanceCount,t.memory.geometries--}function c(m,y){return s[y.id]!==void 0||(y.addEventListener("dispose",a),s[y.id]=new WeakRef(y),o.register(y,y.id,y),t.memory.geometries++),y}function u(m){let y=m.attributes;for(let g in y)e.update(y[g],n.ARRAY_BUFFER)}function h(m){let y=m.index,g=m.attributes.position,p=0;if(g===void 0)return;let x=y!==null?y.array.length:g.array.length/3-1,b=g.count>=65535?Js:Zs,S=new b(Math.ceil(x/3)*6,1),E=S.array;if(y!==null){let _=y.array;p=y.version;for(let w=0,D=0;w<x;w+=3){let P=_[w+0],N=_[w+1],k=_[w+2];E[D++]=P,E[D++]=N,E[D++]=N,E[D++]=k,E[D++]=k,E[D++]=P}}else{p=g.version;for(let _=0,w=0;_<x;_+=3){let D=_+0,P=_+1,N=_+2;E[w++]=D,E[w++]=P,E[w++]=P,E[w++]=N,E[w++]=N,E[w++]=D}}S.version=p;let T=r.get(m);T&&e.remove(T),r.set(m,S)}function f(m){let y=r.get(m);if(y){let g=m.index;g!==null&&y.version<g.version&&h(m)}else h(m);return r.get(m)}function d(){for(let m in s){let y=s[m].deref();y!==void 0&&l(y)}}return{get:c,update:u,getWireframeAttribute:f,dispose:d}}function dx(n,e,t){let i;function s(h){i=h}let r,o;function a(h){r=h.type,o=h.bytesPerElement}function l(h,f){n.drawElements(i,f,r,h*o),t.update(f,i,1)}function c(h,f,d){d!==0&&(n.drawElementsInstanced(i,f,r,h*o,d),t.update(f,i,d))}function u(h,f,d){if(d===0)return;e.get("WEBGL_multi_draw").multiDrawElementsWEBGL(i,f,0,r,h,0,d);let y=0;for(let g=0;g<d;g++)y+=f[g];t.update(y,i,1)}this.setMode=s,this.setIndex=a,this.render=l,this.renderInstances=c,this.renderMultiDraw=u}function px(n){let e={geometries:0,textures:0},t={frame:0,calls:0,triangles:0,points:0,lines:0};function i(r,o,a){switch(t.calls++,o){case n.TRIANGLES:t.triangles+=a*(r/3);break;case n.LINES:t.lines+=a*(r/2);break;case n.LINE_STRIP:t.lines+=a*(r-1);break;case n.LINE_LOOP:t.lines+=a*r;break;case n.POINTS:t.points+=a*r;break;default:Ie("WebGLInfo: Unknown draw mode:",o);break}}function s(){t.calls=0,t.triangles=0,t.points=0,t.lines=0}return{memory:e,render:t,programs:null,autoReset:!0,reset:s,update:i}}function mx(n,e,t){let i=new WeakMap,s=new at;function r(o,a,l){let c=o.morphTargetInfluences,u=a.morphAttributes.position||a.morphAttributes.normal||a.morphAttributes.color,h=u!==void 0?u.length:0,f=i.get(a);if(f===void 0||f.count!==h){let D=function(){_.dispose(),i.delete(a),a.removeEventListener("dispose",D)};f!==void 0&&f.texture.dispose();let d=a.morphAttributes.position!==void 0,m=a.morphAttributes.normal!==void 0,y=a.morphAttributes.color!==void 0,g=a.morphAttributes.position||[],p=a.morphAttributes.normal||[],x=a.morphAttributes.color||[],b=0;d===!0&&(b=1),m===!0&&(b=2),y===!0&&(b=3);let S=a.attributes.position.count*b,E=1;S>e.maxTextureSize&&(E=Math.ceil(S/e.maxTextureSize),S=e.maxTextureSize);let T=new Float32Array(S*E*4*h),_=new $s(T,S,E,h);_.type=Yt,_.needsUpdate=!0;let w=b*4;for(let P=0;P<h;P++){let N=g[P],k=p[P],W=x[P],C=S*E*4*P;for(let G=0;G<N.count;G++){let $=G*w;d===!0&&(s.fromBufferAttribute(N,G),T[C+$+0]=s.x,T[C+$+1]=s.y,T[C+$+2]=s.z,T[C+$+3]=0),m===!0&&(s.fromBufferAttribute(k,G),T[C+$+4]=s.x,T[C+$+5]=s.y,T[C+$+6]=s.z,T[C+$+7]=0),y===!0&&(s.fromBufferAttribute(W,G),T[C+$+8]=s.x,T[C+$+9]=s.y,T[C+$+10]=s.z,T[C+$+11]=W.itemSize===4?s.w:1)}}f={count:h,texture:_,size:new qe(S,E)},i.set(a,f),a.addEventListener("dispose",D)}if(o.isInstancedMesh===!0&&o.morphTexture!==null)l.getUniforms().setValue(n,"morphTexture",o.morphTexture,t);else{let d=0;for(let y=0;y<c.length;y++)d+=c[y];let m=a.morphTargetsRelative?1:1-d;l.getUniforms().setValue(n,"morphTargetBaseInfluence",m),l.getUniforms().setValue(n,"morphTargetInfluences",c)}l.getUniforms().setValue(n,"morphTargetsTexture",f.texture,t),l.getUniforms().setValue(n,"morphTargetsTextureSize",f.size)}return{update:r}}function gx(n,e,t,i,s){let r=new WeakMap;function o(c){let u=s.render.frame,h=c.geometry,f=e.get(c,h);if(r.get(f)!==u&&(e.update(f),r.set(f,u)),c.isInstancedMesh&&(c.hasEventListener("dispose",l)===!1&&c.addEventListener("dispose",l),r.get(c)!==u&&(t.update(c.instanceMatrix,n.ARRAY_BUFFER),c.instanceColor!==null&&t.update(c.instanceColor,n.ARRAY_BUFFER),r.set(c,u))),c.isSkinnedMesh){let d=c.skeleton;r.get(d)!==u&&(d.update(),r.set(d,u))}return f}function a(){r=new WeakMap}function l(c){let u=c.target;u.removeEventListener("dispose",l),i.releaseStatesOfObject(u),t.remove(u.instanceMatrix),u.instanceColor!==null&&t.remove(u.instanceColor)}return{update:o,dispose:a}}var _x={[Uc]:"LINEAR_TONE_MAPPING",[Fc]:"REINHARD_TONE_MAPPING",[Oc]:"CINEON_TONE_MAPPING",[Bc]:"ACES_FILMIC_TONE_MAPPING",[zc]:"AGX_TONE_MAPPING",[Gc]:"NEUTRAL_TONE_MAPPING",[kc]:"CUSTOM_TONE_MAPPING"};function yx(n,e,t,i,s,r){let o=new Dt(e,t,{type:n,depthBuffer:s,stencilBuffer:r,samples:i?4:0,storeMultisampledDepthBuffer:!1,storeMultisampledStencilBuffer:!1,resolveDepthBuffer:!1,resolveStencilBuffer:!1}),a=null,l=null,c=null,u=new kt;u.setAttribute("position",new nn([-1,3,0,-1,-1,0,3,-1,0],3)),u.setAttribute("uv",new nn([0,2,0,0,2,0],2));let h=new Yo({uniforms:{tDiffuse:{value:null}},vertexShader:`
			precision highp float;

			uniform mat4 modelViewMatrix;
			uniform mat4 projectionMatrix;

			attribute vec3 position;
			attribute vec2 uv;

			varying vec2 vUv;

			void main() {
				vUv = uv;
				gl_Position = projectionMatrix * modelViewMatrix * vec4( position, 1.0 );
			}`,fragmentShader:`
			precision highp float;

			uniform sampler2D tDiffuse;

			varying vec2 vUv;

			#include <tonemapping_pars_fragment>
			#include <colorspace_pars_fragment>

			void main() {
				gl_FragColor = texture2D( tDiffuse, vUv );

				#ifdef LINEAR_TONE_MAPPING
					gl_FragColor.rgb = LinearToneMapping( gl_FragColor.rgb );
				#elif defined( REINHARD_TONE_MAPPING )
					gl_FragColor.rgb = ReinhardToneMapping( gl_FragColor.rgb );
				#elif defined( CINEON_TONE_MAPPING )
					gl_FragColor.rgb = CineonToneMapping( gl_FragColor.rgb );
				#elif defined( ACES_FILMIC_TONE_MAPPING )
					gl_FragColor.rgb = ACESFilmicToneMapping( gl_FragColor.rgb );
				#elif defined( AGX_TONE_MAPPING )
					gl_FragColor.rgb = AgXToneMapping( gl_FragColor.rgb );
				#elif defined( NEUTRAL_TONE_MAPPING )
					gl_FragColor.rgb = NeutralToneMapping( gl_FragColor.rgb );
				#elif defined( CUSTOM_TONE_MAPPING )
					gl_FragColor.rgb = CustomToneMapping( gl_FragColor.rgb );
				#endif

				#ifdef SRGB_TRANSFER
					gl_FragColor = sRGBTransferOETF( gl_FragColor );
				#endif
			}`,depthTest:!1,depthWrite:!1}),f=new rn(u,h),d=new hs(-1,1,1,-1,0,1),m=null,y=null,g=!1,p,x=null,b=[],S=!1;this.setSize=function(E,T){o.setSize(E,T),a!==null&&a.setSize(E,T),l!==null&&l.setSize(E,T);for(let _=0;_<b.length;_++){let w=b[_];w.setSize&&w.setSize(E,T)}},this.setEffects=function(E){b=E,S=b.length>0&&b[0].isRenderPass===!0;let T=o.width,_=o.height;b.length>0&&a===null&&(a=new Dt(T,_,{type:Zt,depthBuffer:!1,stencilBuffer:!1}),l=new Dt(T,_,{type:Zt,depthBuffer:!1,stencilBuffer:!1}));let w=s===!0&&b.some(D=>D.needsDepthTexture===!0);w!==(o.depthTexture!==null)&&(w===!0&&c===null&&(c=new Gn(T,_),r===!0&&(c.format=Wn,c.type=Ni)),o.dispose(),o.depthTexture=w?c:null,o.resolveDepthBuffer=w,o.storeMultisampledDepthBuffer=w);for(let D=0;D<b.length;D++){let P=b[D];P.setSize&&P.setSize(T,_),w&&P.needsDepthTexture===!0&&P.setDepthTexture&&P.setDepthTexture(c)}},this.begin=function(E,T){if(g||E.toneMapping===An&&b.length===0)return!1;if(x=T,T!==null){let _=T.width,w=T.height;(o.width!==_||o.height!==w)&&this.setSize(_,w)}return S===!1&&E.setRenderTarget(o),p=E.toneMapping,E.toneMapping=An,!0},this.hasRenderPass=function(){return S},this.end=function(E,T){E.toneMapping=p,g=!0;let _=o,w=a;for(let D=0;D<b.length;D++){let P=b[D];P.enabled!==!1&&(P.render(E,w,_,T),P.needsSwap!==!1&&(_=w,w=w===a?l:a))}if(m!==E.outputColorSpace||y!==E.toneMapping){m=E.outputColorSpace,y=E.toneMapping,h.defines={},Ve.getTransfer(m)===Ye&&(h.defines.SRGB_TRANSFER="");let D=_x[y];D&&(h.defines[D]=""),h.needsUpdate=!0}h.uniforms.tDiffuse.value=_.texture,E.setRenderTarget(x),E.render(f,d),x=null,g=!1},this.isCompositing=function(){return g},this.dispose=function(){o.dispose(),a!==null&&a.dispose(),l!==null&&l.dispose(),u.dispose(),h.dispose()}}var gp=new Bt,_p=new Gn(1,1),yp=new Qs(1),xp=new $s,vp=new Wo,Mp=new js,Zd=[],Jd=[],Kd=new Float32Array(16),jd=new Float32Array(9),Qd=new Float32Array(4);function ys(n,e,t){let i=n[0];if(i<=0||i>0)return n;let s=e*t,r=Zd[s];if(r===void 0&&(r=new Float32Array(s),Zd[s]=r),e!==0){i.toArray(r,0);for(let o=1,a=0;o!==e;++o)a+=t,n[o].toArray(r,a)}return r}function mt(n,e){if(n.length!==e.length)return!1;for(let t=0,i=n.length;t<i;t++)if(n[t]!==e[t])return!1;return!0}function gt(n,e){for(let t=0,i=e.length;t<i;t++)n[t]=e[t]}function ja(n,e){let t=Jd[e];t===void 0&&(t=new Int32Array(e),Jd[e]=t);for(let i=0;i!==e;++i)t[i]=n.allocateTextureUnit();return t}function xx(n,e){let t=this.cache;t[0]!==e&&(n.uniform1f(this.addr,e),t[0]=e)}function vx(n,e){let t=this.cache;if(e.x!==void 0)(t[0]!==e.x||t[1]!==e.y)&&(n.uniform2f(this.addr,e.x,e.y),t[0]=e.x,t[1]=e.y);else{if(mt(t,e))return;n.uniform2fv(this.addr,e),gt(t,e)}}function Mx(n,e){let t=this.cache;if(e.x!==void 0)(t[0]!==e.x||t[1]!==e.y||t[2]!==e.z)&&(n.uniform3f(this.addr,e.x,e.y,e.z),t[0]=e.x,t[1]=e.y,t[2]=e.z);else if(e.r!==void 0)(t[0]!==e.r||t[1]!==e.g||t[2]!==e.b)&&(n.uniform3f(this.addr,e.r,e.g,e.b),t[0]=e.r,t[1]=e.g,t[2]=e.b);else{if(mt(t,e))return;n.uniform3fv(this.addr,e),gt(t,e)}}function Sx(n,e){let t=this.cache;if(e.x!==void 0)(t[0]!==e.x||t[1]!==e.y||t[2]!==e.z||t[3]!==e.w)&&(n.uniform4f(this.addr,e.x,e.y,e.z,e.w),t[0]=e.x,t[1]=e.y,t[2]=e.z,t[3]=e.w);else{if(mt(t,e))return;n.uniform4fv(this.addr,e),gt(t,e)}}function bx(n,e){let t=this.cache,i=e.elements;if(i===void 0){if(mt(t,e))return;n.uniformMatrix2fv(this.addr,!1,e),gt(t,e)}else{if(mt(t,i))return;Qd.set(i),n.uniformMatrix2fv(this.addr,!1,Qd),gt(t,i)}}function wx(n,e){let t=this.cache,i=e.elements;if(i===void 0){if(mt(t,e))return;n.uniformMatrix3fv(this.addr,!1,e),gt(t,e)}else{if(mt(t,i))return;jd.set(i),n.uniformMatrix3fv(this.addr,!1,jd),gt(t,i)}}function Ax(n,e){let t=this.cache,i=e.elements;if(i===void 0){if(mt(t,e))return;n.uniformMatrix4fv(this.addr,!1,e),gt(t,e)}else{if(mt(t,i))return;Kd.set(i),n.uniformMatrix4fv(this.addr,!1,Kd),gt(t,i)}}function Ex(n,e){let t=this.cache;t[0]!==e&&(n.uniform1i(this.addr,e),t[0]=e)}function Tx(n,e){let t=this.cache;if(e.x!==void 0)(t[0]!==e.x||t[1]!==e.y)&&(n.uniform2i(this.addr,e.x,e.y),t[0]=e.x,t[1]=e.y);else{if(mt(t,e))return;n.uniform2iv(this.addr,e),gt(t,e)}}function Rx(n,e){let t=this.cache;if(e.x!==void 0)(t[0]!==e.x||t[1]!==e.y||t[2]!==e.z)&&(n.uniform3i(this.addr,e.x,e.y,e.z),t[0]=e.x,t[1]=e.y,t[2]=e.z);else{if(mt(t,e))return;n.uniform3iv(this.addr,e),gt(t,e)}}function Cx(n,e){let t=this.cache;if(e.x!==void 0)(t[0]!==e.x||t[1]!==e.y||t[2]!==e.z||t[3]!==e.w)&&(n.uniform4i(this.addr,e.x,e.y,e.z,e.w),t[0]=e.x,t[1]=e.y,t[2]=e.z,t[3]=e.w);else{if(mt(t,e))return;n.uniform4iv(this.addr,e),gt(t,e)}}function Ix(n,e){let t=this.cache;t[0]!==e&&(n.uniform1ui(this.addr,e),t[0]=e)}function Px(n,e){let t=this.cache;if(e.x!==void 0)(t[0]!==e.x||t[1]!==e.y)&&(n.uniform2ui(this.addr,e.x,e.y),t[0]=e.x,t[1]=e.y);else{if(mt(t,e))return;n.uniform2uiv(this.addr,e),gt(t,e)}}function Lx(n,e){let t=this.cache;if(e.x!==void 0)(t[0]!==e.x||t[1]!==e.y||t[2]!==e.z)&&(n.uniform3ui(this.addr,e.x,e.y,e.z),t[0]=e.x,t[1]=e.y,t[2]=e.z);else{if(mt(t,e))return;n.uniform3uiv(this.addr,e),gt(t,e)}}function Nx(n,e){let t=this.cache;if(e.x!==void 0)(t[0]!==e.x||t[1]!==e.y||t[2]!==e.z||t[3]!==e.w)&&(n.uniform4ui(this.addr,e.x,e.y,e.z,e.w),t[0]=e.x,t[1]=e.y,t[2]=e.z,t[3]=e.w);else{if(mt(t,e))return;n.uniform4uiv(this.addr,e),gt(t,e)}}function Qa(n){return n.version===0&&(n.compareFunction=jc,n.needsUpdate=!0),n}function Dx(n,e,t){let i=this.cache,s=t.allocateTextureUnit();i[0]!==s&&(n.uniform1i(this.addr,s),i[0]=s);let r;this.type===n.SAMPLER_2D_SHADOW?r=Qa(_p):r=gp,t.setTexture2D(e||r,s)}function Ux(n,e,t){let i=this.cache,s=t.allocateTextureUnit();i[0]!==s&&(n.uniform1i(this.addr,s),i[0]=s),t.setTexture3D(e||vp,s)}function Fx(n,e,t){let i=this.cache,s=t.allocateTextureUnit();i[0]!==s&&(n.uniform1i(this.addr,s),i[0]=s);let r;this.type===n.SAMPLER_CUBE_SHADOW?r=Qa(yp):r=Mp,t.setTextureCube(e||r,s)}function Ox(n,e,t){let i=this.cache,s=t.allocateTextureUnit();i[0]!==s&&(n.uniform1i(this.addr,s),i[0]=s),t.setTexture2DArray(e||xp,s)}function Bx(n){switch(n){case 5126:return xx;case 35664:return vx;case 35665:return Mx;case 35666:return Sx;case 35674:return bx;case 35675:return wx;case 35676:return Ax;case 5124:case 35670:return Ex;case 35667:case 35671:return Tx;case 35668:case 35672:return Rx;case 35669:case 35673:return Cx;case 5125:return Ix;case 36294:return Px;case 36295:return Lx;case 36296:return Nx;case 35678:case 36198:case 36298:case 36306:case 35682:return Dx;case 35679:case 36299:case 36307:return Ux;case 35680:case 36300:case 36308:case 36293:return Fx;case 36289:case 36303:case 36311:case 36292:return Ox}}function kx(n,e){n.uniform1fv(this.addr,e)}function zx(n,e){let t=ys(e,this.size,2);n.uniform2fv(this.addr,t)}function Gx(n,e){let t=ys(e,this.size,3);n.uniform3fv(this.addr,t)}function Vx(n,e){let t=ys(e,this.size,4);n.uniform4fv(this.addr,t)}function Hx(n,e){let t=ys(e,this.size,4);n.uniformMatrix2fv(this.addr,!1,t)}function Wx(n,e){let t=ys(e,this.size,9);n.uniformMatrix3fv(this.addr,!1,t)}function Xx(n,e){let t=ys(e,this.size,16);n.uniformMatrix4fv(this.addr,!1,t)}function qx(n,e){n.uniform1iv(this.addr,e)}function $x(n,e){n.uniform2iv(this.addr,e)}function Yx(n,e){n.uniform3iv(this.addr,e)}function Zx(n,e){n.uniform4iv(this.addr,e)}function Jx(n,e){n.uniform1uiv(this.addr,e)}function Kx(n,e){n.uniform2uiv(this.addr,e)}function jx(n,e){n.uniform3uiv(this.addr,e)}function Qx(n,e){n.uniform4uiv(this.addr,e)}function ev(n,e,t){let i=this.cache,s=e.length,r=ja(t,s);mt(i,r)||(n.uniform1iv(this.addr,r),gt(i,r));let o;this.type===n.SAMPLER_2D_SHADOW?o=Qa(_p):o=gp;for(let a=0;a!==s;++a)t.setTexture2D(e[a]||o,r[a])}function tv(n,e,t){let i=this.cache,s=e.length,r=ja(t,s);mt(i,r)||(n.uniform1iv(this.addr,r),gt(i,r));for(let o=0;o!==s;++o)t.setTexture3D(e[o]||vp,r[o])}function nv(n,e,t){let i=this.cache,s=e.length,r=ja(t,s);mt(i,r)||(n.uniform1iv(this.addr,r),gt(i,r));let o;this.type===n.SAMPLER_CUBE_SHADOW?o=Qa(yp):o=Mp;for(let a=0;a!==s;++a)t.setTextureCube(e[a]||o,r[a])}function iv(n,e,t){let i=this.cache,s=e.length,r=ja(t,s);mt(i,r)||(n.uniform1iv(this.addr,r),gt(i,r));for(let o=0;o!==s;++o)t.setTexture2DArray(e[o]||xp,r[o])}function sv(n){switch(n){case 5126:return kx;case 35664:return zx;case 35665:return Gx;case 35666:return Vx;case 35674:return Hx;case 35675:return Wx;case 35676:return Xx;case 5124:case 35670:return qx;case 35667:case 35671:return $x;case 35668:case 35672:return Yx;case 35669:case 35673:return Zx;case 5125:return Jx;case 36294:return Kx;case 36295:return jx;case 36296:return Qx;case 35678:case 36198:case 36298:case 36306:case 35682:return ev;case 35679:case 36299:case 36307:return tv;case 35680:case 36300:case 36308:case 36293:return nv;case 36289:case 36303:case 36311:case 36292:return iv}}var lu=class{constructor(e,t,i){this.id=e,this.addr=i,this.cache=[],this.type=t.type,this.setValue=Bx(t.type)}},cu=class{constructor(e,t,i){this.id=e,this.addr=i,this.cache=[],this.type=t.type,this.size=t.size,this.setValue=sv(t.type)}},uu=class{constructor(e){this.id=e,this.seq=[],this.map={}}setValue(e,t,i){let s=this.seq;for(let r=0,o=s.length;r!==o;++r){let a=s[r];a.setValue(e,t[a.id],i)}}},ou=/(\w+)(\])?(\[|\.)?/g;function ep(n,e){n.seq.push(e),n.map[e.id]=e}function rv(n,e,t){let i=n.name,s=i.length;for(ou.lastIndex=0;;){let r=ou.exec(i),o=ou.lastIndex,a=r[1],l=r[2]==="]",c=r[3];if(l&&(a=a|0),c===void 0||c==="["&&o+2===s){ep(t,c===void 0?new lu(a,n,e):new cu(a,n,e));break}else{let h=t.map[a];h===void 0&&(h=new uu(a),ep(t,h)),t=h}}}var _s=class{constructor(e,t){this.seq=[],this.map={};let i=e.getProgramParameter(t,e.ACTIVE_UNIFORMS);for(let o=0;o<i;++o){let a=e.getActiveUniform(t,o),l=e.getUniformLocation(t,a.name);rv(a,l,this)}let s=[],r=[];for(let o of this.seq)o.type===e.SAMPLER_2D_SHADOW||o.type===e.SAMPLER_CUBE_SHADOW||o.type===e.SAMPLER_2D_ARRAY_SHADOW?s.push(o):r.push(o);s.length>0&&(this.seq=s.concat(r))}setValue(e,t,i,s){let r=this.map[t];r!==void 0&&r.setValue(e,i,s)}setOptional(e,t,i){let s=t[i];s!==void 0&&this.setValue(e,i,s)}static upload(e,t,i,s){for(let r=0,o=t.length;r!==o;++r){let a=t[r],l=i[a.id];l.needsUpdate!==!1&&a.setValue(e,l.value,s)}}static seqWithValue(e,t){let i=[];for(let s=0,r=e.length;s!==r;++s){let o=e[s];o.id in t&&i.push(o)}return i}};function tp(n,e,t){let i=n.createShader(e);return n.shaderSource(i,t),n.compileShader(i),i}var ov=37297,av=0;function lv(n,e){let t=n.split(`
`),i=[],s=Math.max(e-6,0),r=Math.min(e+6,t.length);for(let o=s;o<r;o++){let a=o+1;i.push(`${a===e?">":" "} ${a}: ${t[o]}`)}return i.join(`
`)}var np=new Le;function cv(n){Ve._getMatrix(np,Ve.workingColorSpace,n);let e=`mat3( ${np.elements.map(t=>t.toFixed(4))} )`;switch(Ve.getTransfer(n)){case Ws:return[e,"LinearTransferOETF"];case Ye:return[e,"sRGBTransferOETF"];default:return Ce("WebGLProgram: Unsupported color space: ",n),[e,"LinearTransferOETF"]}}function ip(n,e,t){let i=n.getShaderParameter(e,n.COMPILE_STATUS),r=(n.getShaderInfoLog(e)||"").trim();if(i&&r==="")return"";let o=/ERROR: 0:(\d+)/.exec(r);if(o){let a=parseInt(o[1]);return t.toUpperCase()+`

`+r+`

`+lv(n.getShaderSource(e),a)}else return r}function uv(n,e){let t=cv(e);return[`vec4 ${n}( vec4 value ) {`,`	return ${t[1]}( vec4( ${t[0]} * value.rgb, value.a ) );`,"}"].join(`
`)}var hv={[Uc]:"Linear",[Fc]:"Reinhard",[Oc]:"Cineon",[Bc]:"ACESFilmic",[zc]:"AgX",[Gc]:"Neutral",[kc]:"Custom"};function fv(n,e){let t=hv[e];return t===void 0?(Ce("WebGLProgram: Unsupported toneMapping:",e),"vec3 "+n+"( vec3 color ) { return LinearToneMapping( color ); }"):"vec3 "+n+"( vec3 color ) { return "+t+"ToneMapping( color ); }"}var Za=new V;function dv(){Ve.getLuminanceCoefficients(Za);let n=Za.x.toFixed(4),e=Za.y.toFixed(4),t=Za.z.toFixed(4);return["float luminance( const in vec3 rgb ) {",`	const vec3 weights = vec3( ${n}, ${e}, ${t} );`,"	return dot( weights, rgb );","}"].join(`
`)}function pv(n){return[n.extensionClipCullDistance?"#extension GL_ANGLE_clip_cull_distance : require":"",n.extensionMultiDraw?"#extension GL_ANGLE_multi_draw : require":""].filter(mr).join(`
`)}function mv(n){let e=[];for(let t in n){let i=n[t];i!==!1&&e.push("#define "+t+" "+i)}return e.join(`
`)}function gv(n,e){let t={},i=n.getProgramParameter(e,n.ACTIVE_ATTRIBUTES);for(let s=0;s<i;s++){let r=n.getActiveAttrib(e,s),o=r.name,a=1;r.type===n.FLOAT_MAT2&&(a=2),r.type===n.FLOAT_MAT3&&(a=3),r.type===n.FLOAT_MAT4&&(a=4),t[o]={type:r.type,location:n.getAttribLocation(e,o),locationSize:a}}return t}function mr(n){return n!==""}function sp(n,e){let t=e.numSpotLightShadows+e.numSpotLightMaps-e.numSpotLightShadowsWithMaps;return n.replace(/NUM_SUN_LIGHTS/g,e.numSunLights).replace(/NUM_DIR_LIGHTS/g,e.numDirLights).replace(/NUM_SPOT_LIGHTS/g,e.numSpotLights).replace(/NUM_SPOT_LIGHT_MAPS/g,e.numSpotLightMaps).replace(/NUM_SPOT_LIGHT_COORDS/g,t).replace(/NUM_RECT_AREA_LIGHTS/g,e.numRectAreaLights).replace(/NUM_POINT_LIGHTS/g,e.numPointLights).replace(/NUM_HEMI_LIGHTS/g,e.numHemiLights).replace(/NUM_SUN_LIGHT_SHADOWS/g,e.numSunLightShadows).replace(/NUM_DIR_LIGHT_SHADOWS/g,e.numDirLightShadows).replace(/NUM_SPOT_LIGHT_SHADOWS_WITH_MAPS/g,e.numSpotLightShadowsWithMaps).replace(/NUM_SPOT_LIGHT_SHADOWS/g,e.numSpotLightShadows).replace(/NUM_POINT_LIGHT_SHADOWS/g,e.numPointLightShadows).replace(/NUM_LIGHT_PROBE_GRIDS/g,e.numLightProbeGrids)}function rp(n,e){return n.replace(/NUM_CLIPPING_PLANES/g,e.numClippingPlanes).replace(/UNION_CLIPPING_PLANES/g,e.numClippingPlanes-e.numClipIntersection)}var _v=/^[ \t]*#include +<([\w\d./]+)>/gm;function hu(n){return n.replace(_v,yv)}function yv(n,e){let t=Be[e];if(t===void 0)throw new Error("THREE.WebGLProgram: Can not resolve #include <"+e+">");return hu(t)}var xv=/#pragma unroll_loop_start\s+for\s*\(\s*int\s+i\s*=\s*(\d+)\s*;\s*i\s*<\s*(\d+)\s*;\s*i\s*\+\+\s*\)\s*{([\s\S]+?)}\s+#pragma unroll_loop_end/g;function op(n){return n.replace(xv,vv)}function vv(n,e,t,i){let s="";for(let r=parseInt(e);r<parseInt(t);r++)s+=i.replace(/\[\s*i\s*\]/g,"[ "+r+" ]").replace(/UNROLLED_LOOP_INDEX/g,r);return s}function ap(n){let e=`precision ${n.precision} float;
	precision ${n.precision} int;
	precision ${n.precision} sampler2D;
	precision ${n.precision} samplerCube;
	precision ${n.precision} sampler3D;
	precision ${n.precision} sampler2DArray;
	precision ${n.precision} sampler2DShadow;
	precision ${n.precision} samplerCubeShadow;
	precision ${n.precision} sampler2DArrayShadow;
	precision ${n.precision} isampler2D;
	precision ${n.precision} isampler3D;
	precision ${n.precision} isamplerCube;
	precision ${n.precision} isampler2DArray;
	precision ${n.precision} usampler2D;
	precision ${n.precision} usampler3D;
	precision ${n.precision} usamplerCube;
	precision ${n.precision} usampler2DArray;
	`;return n.precision==="highp"?e+=`
#define HIGH_PRECISION`:n.precision==="mediump"?e+=`
#define MEDIUM_PRECISION`:n.precision==="lowp"&&(e+=`
#define LOW_PRECISION`),e}var Mv={[nr]:"SHADOWMAP_TYPE_PCF",[ds]:"SHADOWMAP_TYPE_VSM"};function Sv(n){return Mv[n.shadowMapType]||"SHADOWMAP_TYPE_BASIC"}var bv={[ms]:"ENVMAP_MODE_REFRACTION"};function wv(n){return n.envMap===!1?"ENVMAP_MODE_REFLECTION":bv[n.envMapMode]||"ENVMAP_MODE_REFLECTION"}var Av={[Dc]:"ENVMAP_BLENDING_MULTIPLY",[wd]:"ENVMAP_BLENDING_MIX",[Ad]:"ENVMAP_BLENDING_ADD"};function Ev(n){return n.envMap===!1?"ENVMAP_BLENDING_NONE":Av[n.combine]||"ENVMAP_BLENDING_NONE"}function Tv(n,e,t,i){let s=n.getContext(),r=t.defines,o=t.vertexShader,a=t.fragmentShader,l=Sv(t),c=t.envMapPMREM===!0?"ENVMAP_TYPE_PMREM":"ENVMAP_TYPE_CUBE",u=wv(t),h=Ev(t),f=pv(t),d=mv(r),m=s.createProgram(),y,g,p=t.glslVersion?"#version "+t.glslVersion+`
`:"";t.isRawShaderMaterial?(y=["#define SHADER_TYPE "+t.shaderType,"#define SHADER_NAME "+t.shaderName,d].filter(mr).join(`
`),y.length>0&&(y+=`
`),g=["#define SHADER_TYPE "+t.shaderType,"#define SHADER_NAME "+t.shaderName,d].filter(mr).join(`
`),g.length>0&&(g+=`
`)):(y=[ap(t),"#define SHADER_TYPE "+t.shaderType,"#define SHADER_NAME "+t.shaderName,d,t.extensionClipCullDistance?"#define USE_CLIP_DISTANCE":"",t.batching?"#define USE_BATCHING":"",t.batchingColor?"#define USE_BATCHING_COLOR":"",t.instancing?"#define USE_INSTANCING":"",t.instancingColor?"#define USE_INSTANCING_COLOR":"",t.instancingMorph?"#define USE_INSTANCING_MORPH":"",t.useFog&&t.fog?"#define USE_FOG":"",t.useFog&&t.fogExp2?"#define FOG_EXP2":"",t.map?"#define USE_MAP":"",t.envMap?"#define USE_ENVMAP":"",t.envMap?"#define "+u:"",t.lightMap?"#define USE_LIGHTMAP":"",t.aoMap?"#define USE_AOMAP":"",t.bumpMap?"#define USE_BUMPMAP":"",t.normalMap?"#define USE_NORMALMAP":"",t.normalMapObjectSpace?"#define USE_NORMALMAP_OBJECTSPACE":"",t.normalMapTangentSpace?"#define USE_NORMALMAP_TANGENTSPACE":"",t.displacementMap?"#define USE_DISPLACEMENTMAP":"",t.emissiveMap?"#define USE_EMISSIVEMAP":"",t.anisotropy?"#define USE_ANISOTROPY":"",t.anisotropyMap?"#define USE_ANISOTROPYMAP":"",t.clearcoatMap?"#define USE_CLEARCOATMAP":"",t.clearcoatRoughnessMap?"#define USE_CLEARCOAT_ROUGHNESSMAP":"",t.clearcoatNormalMap?"#define USE_CLEARCOAT_NORMALMAP":"",t.diffuseRoughnessMap?"#define USE_DIFFUSE_ROUGHNESSMAP":"",t.iridescenceMap?"#define USE_IRIDESCENCEMAP":"",t.iridescenceThicknessMap?"#define USE_IRIDESCENCE_THICKNESSMAP":"",t.specularMap?"#define USE_SPECULARMAP":"",t.specularColorMap?"#define USE_SPECULAR_COLORMAP":"",t.specularIntensityMap?"#define USE_SPECULAR_INTENSITYMAP":"",t.roughnessMap?"#define USE_ROUGHNESSMAP":"",t.metalnessMap?"#define USE_METALNESSMAP":"",t.alphaMap?"#define USE_ALPHAMAP":"",t.alphaHash?"#define USE_ALPHAHASH":"",t.transmission?"#define USE_TRANSMISSION":"",t.transmissionMap?"#define USE_TRANSMISSIONMAP":"",t.thicknessMap?"#define USE_THICKNESSMAP":"",t.sheenColorMap?"#define USE_SHEEN_COLORMAP":"",t.sheenRoughnessMap?"#define USE_SHEEN_ROUGHNESSMAP":"",t.mapUv?"#define MAP_UV "+t.mapUv:"",t.alphaMapUv?"#define ALPHAMAP_UV "+t.alphaMapUv:"",t.lightMapUv?"#define LIGHTMAP_UV "+t.lightMapUv:"",t.aoMapUv?"#define AOMAP_UV "+t.aoMapUv:"",t.emissiveMapUv?"#define EMISSIVEMAP_UV "+t.emissiveMapUv:"",t.bumpMapUv?"#define BUMPMAP_UV "+t.bumpMapUv:"",t.normalMapUv?"#define NORMALMAP_UV "+t.normalMapUv:"",t.displacementMapUv?"#define DISPLACEMENTMAP_UV "+t.displacementMapUv:"",t.metalnessMapUv?"#define METALNESSMAP_UV "+t.metalnessMapUv:"",t.roughnessMapUv?"#define ROUGHNESSMAP_UV "+t.roughnessMapUv:"",t.anisotropyMapUv?"#define ANISOTROPYMAP_UV "+t.anisotropyMapUv:"",t.clearcoatMapUv?"#define CLEARCOATMAP_UV "+t.clearcoatMapUv:"",t.clearcoatNormalMapUv?"#define CLEARCOAT_NORMALMAP_UV "+t.clearcoatNormalMapUv:"",t.clearcoatRoughnessMapUv?"#define CLEARCOAT_ROUGHNESSMAP_UV "+t.clearcoatRoughnessMapUv:"",t.diffuseRoughnessMapUv?"#define DIFFUSE_ROUGHNESSMAP_UV "+t.diffuseRoughnessMapUv:"",t.iridescenceMapUv?"#define IRIDESCENCEMAP_UV "+t.iridescenceMapUv:"",t.iridescenceThicknessMapUv?"#define IRIDESCENCE_THICKNESSMAP_UV "+t.iridescenceThicknessMapUv:"",t.sheenColorMapUv?"#define SHEEN_COLORMAP_UV "+t.sheenColorMapUv:"",t.sheenRoughnessMapUv?"#define SHEEN_ROUGHNESSMAP_UV "+t.sheenRoughnessMapUv:"",t.specularMapUv?"#define SPECULARMAP_UV "+t.specularMapUv:"",t.specularColorMapUv?"#define SPECULAR_COLORMAP_UV "+t.specularColorMapUv:"",t.specularIntensityMapUv?"#define SPECULAR_INTENSITYMAP_UV "+t.specularIntensityMapUv:"",t.transmissionMapUv?"#define TRANSMISSIONMAP_UV "+t.transmissionMapUv:"",t.thicknessMapUv?"#define THICKNESSMAP_UV "+t.thicknessMapUv:"",t.vertexTangents&&t.flatShading===!1?"#define USE_TANGENT":"",t.vertexNormals?"#define HAS_NORMAL":"",t.vertexColors?"#define USE_COLOR":"",t.vertexAlphas?"#define USE_COLOR_ALPHA":"",t.vertexUv1s?"#define USE_UV1":"",t.vertexUv2s?"#define USE_UV2":"",t.vertexUv3s?"#define USE_UV3":"",t.pointsUvs?"#define USE_POINTS_UV":"",t.flatShading?"#define FLAT_SHADED":"",t.skinning?"#define USE_SKINNING":"",t.morphTargets?"#define USE_MORPHTARGETS":"",t.morphNormals&&t.flatShading===!1?"#define USE_MORPHNORMALS":"",t.morphColors?"#define USE_MORPHCOLORS":"",t.morphTargetsCount>0?"#define MORPHTARGETS_TEXTURE_STRIDE "+t.morphTextureStride:"",t.morphTargetsCount>0?"#define MORPHTARGETS_COUNT "+t.morphTargetsCount:"",t.doubleSided?"#define DOUBLE_SIDED":"",t.flipSided?"#define FLIP_SIDED":"",t.shadowMapEnabled?"#define USE_SHADOWMAP":"",t.shadowMapEnabled?"#define "+l:"",t.sizeAttenuation?"#define USE_SIZEATTENUATION":"",t.numLightProbes>0?"#define USE_LIGHT_PROBES":"",t.logarithmicDepthBuffer?"#define USE_LOGARITHMIC_DEPTH_BUFFER":"",t.reversedDepthBuffer?"#define USE_REVERSED_DEPTH_BUFFER":"","uniform mat4 modelMatrix;","uniform mat4 modelViewMatrix;","uniform mat4 projectionMatrix;","uniform mat4 viewMatrix;","uniform mat3 normalMatrix;","uniform vec3 cameraPosition;","uniform bool isOrthographic;","#ifdef USE_INSTANCING","	attribute mat4 instanceMatrix;","#endif","#ifdef USE_INSTANCING_COLOR","	attribute vec3 instanceColor;","#endif","#ifdef USE_INSTANCING_MORPH","	uniform sampler2D morphTexture;","#endif","attribute vec3 position;","attribute vec3 normal;","attribute vec2 uv;","#ifdef USE_UV1","	attribute vec2 uv1;","#endif","#ifdef USE_UV2","	attribute vec2 uv2;","#endif","#ifdef USE_UV3","	attribute vec2 uv3;","#endif","#ifdef USE_TANGENT","	attribute vec4 tangent;","#endif","#if defined( USE_COLOR_ALPHA )","	attribute vec4 color;","#elif defined( USE_COLOR )","	attribute vec3 color;","#endif","#ifdef USE_SKINNING","	attribute vec4 skinIndex;","	attribute vec4 skinWeight;","#endif",`
`].filter(mr).join(`
`),g=[ap(t),"#define SHADER_TYPE "+t.shaderType,"#define SHADER_NAME "+t.shaderName,d,t.useFog&&t.fog?"#define USE_FOG":"",t.useFog&&t.fogExp2?"#define FOG_EXP2":"",t.alphaToCoverage?"#define ALPHA_TO_COVERAGE":"",t.map?"#define USE_MAP":"",t.matcap?"#define USE_MATCAP":"",t.envMap?"#define USE_ENVMAP":"",t.envMap?"#define "+c:"",t.envMap?"#define "+u:"",t.envMap?"#define "+h:"",t.envMapPMREM?"#define ENVMAP_MAX_LOD "+t.envMapMaxLod+".0":"",t.envMapPMREM?"#define ENVMAP_SIZE "+t.envMapSize+".0":"",t.lightMap?"#define USE_LIGHTMAP":"",t.aoMap?"#define USE_AOMAP":"",t.bumpMap?"#define USE_BUMPMAP":"",t.normalMap?"#define USE_NORMALMAP":"",t.normalMapObjectSpace?"#define USE_NORMALMAP_OBJECTSPACE":"",t.normalMapTangentSpace?"#define USE_NORMALMAP_TANGENTSPACE":"",t.packedNormalMap?"#define USE_PACKED_NORMALMAP":"",t.emissiveMap?"#define USE_EMISSIVEMAP":"",t.anisotropy?"#define USE_ANISOTROPY":"",t.anisotropyMap?"#define USE_ANISOTROPYMAP":"",t.clearcoat?"#define USE_CLEARCOAT":"",t.clearcoatMap?"#define USE_CLEARCOATMAP":"",t.clearcoatRoughnessMap?"#define USE_CLEARCOAT_ROUGHNESSMAP":"",t.clearcoatNormalMap?"#define USE_CLEARCOAT_NORMALMAP":"",t.diffuseRoughness?"#define USE_DIFFUSE_ROUGHNESS":"",t.diffuseRoughnessMap?"#define USE_DIFFUSE_ROUGHNESSMAP":"",t.dispersion?"#define USE_DISPERSION":"",t.retroreflection?"#define USE_RETROREFLECTION":"",t.iridescence?"#define USE_IRIDESCENCE":"",t.iridescenceMap?"#define USE_IRIDESCENCEMAP":"",t.iridescenceThicknessMap?"#define USE_IRIDESCENCE_THICKNESSMAP":"",t.specularMap?"#define USE_SPECULARMAP":"",t.specularColorMap?"#define USE_SPECULAR_COLORMAP":"",t.specularIntensityMap?"#define USE_SPECULAR_INTENSITYMAP":"",t.roughnessMap?"#define USE_ROUGHNESSMAP":"",t.metalnessMap?"#define USE_METALNESSMAP":"",t.alphaMap?"#define USE_ALPHAMAP":"",t.alphaTest?"#define USE_ALPHATEST":"",t.alphaHash?"#define USE_ALPHAHASH":"",t.sheen?"#define USE_SHEEN":"",t.sheenColorMap?"#define USE_SHEEN_COLORMAP":"",t.sheenRoughnessMap?"#define USE_SHEEN_ROUGHNESSMAP":"",t.transmission?"#define USE_TRANSMISSION":"",t.transmissionMap?"#define USE_TRANSMISSIONMAP":"",t.thicknessMap?"#define USE_THICKNESSMAP":"",t.vertexTangents&&t.flatShading===!1?"#define USE_TANGENT":"",t.vertexColors||t.instancingColor?"#define USE_COLOR":"",t.vertexAlphas||t.batchingColor?"#define USE_COLOR_ALPHA":"",t.vertexUv1s?"#define USE_UV1":"",t.vertexUv2s?"#define USE_UV2":"",t.vertexUv3s?"#define USE_UV3":"",t.pointsUvs?"#define USE_POINTS_UV":"",t.gradientMap?"#define USE_GRADIENTMAP":"",t.flatShading?"#define FLAT_SHADED":"",t.doubleSided?"#define DOUBLE_SIDED":"",t.flipSided?"#define FLIP_SIDED":"",t.shadowMapEnabled?"#define USE_SHADOWMAP":"",t.shadowMapEnabled?"#define "+l:"",t.premultipliedAlpha?"#define PREMULTIPLIED_ALPHA":"",t.numLightProbes>0?"#define USE_LIGHT_PROBES":"",t.decodeVideoTexture?"#define DECODE_VIDEO_TEXTURE":"",t.decodeVideoTextureEmissive?"#define DECODE_VIDEO_TEXTURE_EMISSIVE":"",t.logarithmicDepthBuffer?"#define USE_LOGARITHMIC_DEPTH_BUFFER":"",t.reversedDepthBuffer?"#define USE_REVERSED_DEPTH_BUFFER":"","uniform mat4 viewMatrix;","uniform vec3 cameraPosition;","uniform bool isOrthographic;",t.toneMapping!==An?"#define TONE_MAPPING":"",t.toneMapping!==An?Be.tonemapping_pars_fragment:"",t.toneMapping!==An?fv("toneMapping",t.toneMapping):"",t.dithering?"#define DITHERING":"",t.opaque?"#define OPAQUE":"",Be.colorspace_pars_fragment,uv("linearToOutputTexel",t.outputColorSpace),dv(),t.useDepthPacking?"#define DEPTH_PACKING "+t.depthPacking:"",`
`].filter(mr).join(`
`)),o=hu(o),o=sp(o,t),o=rp(o,t),a=hu(a),a=sp(a,t),a=rp(a,t),o=op(o),a=op(a),t.isRawShaderMaterial!==!0&&(p=`#version 300 es
`,y=[f,"#define attribute in","#define varying out","#define texture2D texture"].join(`
`)+`
`+y,g=["#define varying in",t.glslVersion===Qc?"":"layout(location = 0) out highp vec4 pc_fragColor;",t.glslVersion===Qc?"":"#define gl_FragColor pc_fragColor","#define gl_FragDepthEXT gl_FragDepth","#define texture2D texture","#define textureCube texture","#define texture2DProj textureProj","#define texture2DLodEXT textureLod","#define texture2DProjLodEXT textureProjLod","#define textureCubeLodEXT textureLod","#define texture2DGradEXT textureGrad","#define texture2DProjGradEXT textureProjGrad","#define textureCubeGradEXT textureGrad"].join(`
`)+`
`+g);let x=p+y+o,b=p+g+a,S=tp(s,s.VERTEX_SHADER,x),E=tp(s,s.FRAGMENT_SHADER,b);s.attachShader(m,S),s.attachShader(m,E),t.index0AttributeName!==void 0?s.bindAttribLocation(m,0,t.index0AttributeName):t.hasPositionAttribute===!0&&s.bindAttribLocation(m,0,"position"),s.linkProgram(m);function T(P){if(n.debug.checkShaderErrors){let N=s.getProgramInfoLog(m)||"",k=s.getShaderInfoLog(S)||"",W=s.getShaderInfoLog(E)||"",C=N.trim(),G=k.trim(),$=W.trim(),B=!0,ee=!0;if(s.getProgramParameter(m,s.LINK_STATUS)===!1)if(B=!1,typeof n.debug.onShaderError=="function")n.debug.onShaderError(s,m,S,E);else{let H=ip(s,S,"vertex"),j=ip(s,E,"fragment");Ie("WebGLProgram: Shader Error "+s.getError()+" - VALIDATE_STATUS "+s.getProgramParameter(m,s.VALIDATE_STATUS)+`

Material Name: `+P.name+`
Material Type: `+P.type+`

Program Info Log: `+C+`
`+H+`
`+j)}else C!==""?Ce("WebGLProgram: Program Info Log:",C):(G===""||$==="")&&(ee=!1);ee&&(P.diagnostics={runnable:B,programLog:C,vertexShader:{log:G,prefix:y},fragmentShader:{log:$,prefix:g}})}s.deleteShader(S),s.deleteShader(E),_=new _s(s,m),w=gv(s,m)}let _;this.getUniforms=function(){return _===void 0&&T(this),_};let w;this.getAttributes=function(){return w===void 0&&T(this),w};let D=t.rendererExtensionParallelShaderCompile===!1;return this.isReady=function(){return D===!1&&(D=s.getProgramParameter(m,ov)),D},this.destroy=function(){i.releaseStatesOfProgram(this),s.deleteProgram(m),this.program=void 0},this.type=t.shaderType,this.name=t.shaderName,this.id=av++,this.cacheKey=e,this.usedTimes=1,this.program=m,this.vertexShader=S,this.fragmentShader=E,this}var Rv=0,fu=class{constructor(){this.shaderCache=new Map,this.materialCache=new Map}update(e,t,i){let s=this._getShaderCacheForMaterial(e);return s.has(t)===!1&&(s.add(t),t.usedTimes++),s.has(i)===!1&&(s.add(i),i.usedTimes++),this}remove(e){let t=this.materialCache.get(e);for(let i of t)i.usedTimes--,i.usedTimes===0&&this.shaderCache.delete(i.code);return this.materialCache.delete(e),this}getVertexShaderStage(e){return this._getShaderStage(e.vertexShader)}getFragmentShaderStage(e){return this._getShaderStage(e.fragmentShader)}dispose(){this.shaderCache.clear(),this.materialCache.clear()}_getShaderCacheForMaterial(e){let t=this.materialCache,i=t.get(e);return i===void 0&&(i=new Set,t.set(e,i)),i}_getShaderStage(e){let t=this.shaderCache,i=t.get(e);return i===void 0&&(i=new du(e),t.set(e,i)),i}},du=class{constructor(e){this.id=Rv++,this.code=e,this.usedTimes=0}};function Cv(n){return n===ui||n===hr||n===fr}function Iv(n,e,t,i,s,r){let o=new Ys,a=new fu,l=new Set,c=[],u=new Map,h=i.logarithmicDepthBuffer,f={MeshDepthMaterial:"depth",MeshDistanceMaterial:"distance",MeshNormalMaterial:"normal",MeshBasicMaterial:"basic",MeshLambertMaterial:"lambert",MeshPhongMaterial:"phong",MeshToonMaterial:"toon",MeshStandardMaterial:"physical",MeshPhysicalMaterial:"physical",MeshMatcapMaterial:"matcap",LineBasicMaterial:"basic",LineDashedMaterial:"dashed",PointsMaterial:"points",ShadowMaterial:"shadow",SpriteMaterial:"sprite"};function d(_){return l.add(_),_===0?"uv":`uv${_}`}function m(_,w,D,P,N,k){let W=P.fog,C=N.geometry,G=_.isMeshStandardMaterial||_.isMeshLambertMaterial||_.isMeshPhongMaterial?P.environment:null,$=_.isMeshStandardMaterial||_.isMeshLambertMaterial&&!_.envMap||_.isMeshPhongMaterial&&!_.envMap,B=e.get(_.envMap||G,$),ee=f[_.type],H=i.precision;_.precision!==null&&(H=i.getMaxPrecision(_.precision),H!==_.precision&&Ce("WebGLProgram.getParameters:",_.precision,"not supported, using",H,"instead."));let j=C.morphAttributes.position||C.morphAttributes.normal||C.morphAttributes.color,Q=j!==void 0?j.length:0,ve=0;C.morphAttributes.position!==void 0&&(ve=1),C.morphAttributes.normal!==void 0&&(ve=2),C.morphAttributes.color!==void 0&&(ve=3);let Pe,Y,fe,ye;if(ee){let pe=Tn[ee];Pe=pe.vertexShader,Y=pe.fragmentShader}else{Pe=_.vertexShader,Y=_.fragmentShader;let pe=a.getVertexShaderStage(_),Je=a.getFragmentShaderStage(_);a.update(_,pe,Je),fe=pe.id,ye=Je.id}let Ee=n.getRenderTarget(),ge=n.state.buffers.depth.getReversed(),Ue=N.isInstancedMesh===!0,ct=N.isBatchedMesh===!0,Re=!!_.map,Ze=!!_.matcap,je=!!B,ke=je&&B.isPMREMTexture===!0,Mt=!!_.aoMap,ft=!!_.lightMap,Ft=!!_.bumpMap&&_.wireframe===!1,rt=!!_.normalMap,_n=!!_.displacementMap,_t=!!_.emissiveMap,Jt=!!_.metalnessMap,Kt=!!_.roughnessMap,jt=_.anisotropy>0,L=_.clearcoat>0,Qt=_.diffuseRoughness>0,it=_.dispersion>0,st=_.retroreflectivity>0,de=_.iridescence>0,dt=_.sheen>0,Te=_.transmission>0,Ne=jt&&!!_.anisotropyMap,A=L&&!!_.clearcoatMap,v=L&&!!_.clearcoatNormalMap,F=L&&!!_.clearcoatRoughnessMap,te=Qt&&!!_.diffuseRoughnessMap,K=de&&!!_.iridescenceMap,se=de&&!!_.iridescenceThicknessMap,ue=dt&&!!_.sheenColorMap,q=dt&&!!_.sheenRoughnessMap,Z=!!_.specularMap,oe=!!_.specularColorMap,R=!!_.specularIntensityMap,J=Te&&!!_.transmissionMap,X=Te&&!!_.thicknessMap,ae=!!_.gradientMap,ie=!!_.alphaMap,re=_.alphaTest>0,we=!!_.alphaHash,Oe=!!_.extensions,ne=An;_.toneMapped&&(Ee===null||Ee.isXRRenderTarget===!0)&&(ne=n.toneMapping);let Ae=ke?B.isCompressedCubeTexture?B.image[0].mipmaps:B.mipmaps:null,Fe={shaderID:ee,shaderType:_.type,shaderName:_.name,vertexShader:Pe,fragmentShader:Y,defines:_.defines,customVertexShaderID:fe,customFragmentShaderID:ye,isRawShaderMaterial:_.isRawShaderMaterial===!0,glslVersion:_.glslVersion,precision:H,batching:ct,batchingColor:ct&&N._colorsTexture!==null,instancing:Ue,instancingColor:Ue&&N.instanceColor!==null,instancingMorph:Ue&&N.morphTexture!==null,outputColorSpace:Ee===null?n.outputColorSpace:Ee.isXRRenderTarget===!0?Ee.texture.colorSpace:Ve.workingColorSpace,alphaToCoverage:!!_.alphaToCoverage,map:Re,matcap:Ze,envMap:je,envMapMode:je&&B.mapping,envMapPMREM:ke,envMapMaxLod:ke?Ae.length-1:null,envMapSize:ke?Ae[0].width:null,aoMap:Mt,lightMap:ft,bumpMap:Ft,normalMap:rt,displacementMap:_n,emissiveMap:_t,normalMapObjectSpace:rt&&_.normalMapType===Rd,normalMapTangentSpace:rt&&_.normalMapType===Zc,packedNormalMap:rt&&_.normalMapType===Zc&&Cv(_.normalMap.format),metalnessMap:Jt,roughnessMap:Kt,anisotropy:jt,anisotropyMap:Ne,clearcoat:L,clearcoatMap:A,clearcoatNormalMap:v,clearcoatRoughnessMap:F,diffuseRoughness:Qt,diffuseRoughnessMap:te,dispersion:it,retroreflection:st,iridescence:de,iridescenceMap:K,iridescenceThicknessMap:se,sheen:dt,sheenColorMap:ue,sheenRoughnessMap:q,specularMap:Z,specularColorMap:oe,specularIntensityMap:R,transmission:Te,transmissionMap:J,thicknessMap:X,gradientMap:ae,opaque:_.transparent===!1&&_.blending===ps&&_.alphaToCoverage===!1,alphaMap:ie,alphaTest:re,alphaHash:we,combine:_.combine,mapUv:Re&&d(_.map.channel),aoMapUv:Mt&&d(_.aoMap.channel),lightMapUv:ft&&d(_.lightMap.channel),bumpMapUv:Ft&&d(_.bumpMap.channel),normalMapUv:rt&&d(_.normalMap.channel),displacementMapUv:_n&&d(_.displacementMap.channel),emissiveMapUv:_t&&d(_.emissiveMap.channel),metalnessMapUv:Jt&&d(_.metalnessMap.channel),roughnessMapUv:Kt&&d(_.roughnessMap.channel),anisotropyMapUv:Ne&&d(_.anisotropyMap.channel),clearcoatMapUv:A&&d(_.clearcoatMap.channel),clearcoatNormalMapUv:v&&d(_.clearcoatNormalMap.channel),clearcoatRoughnessMapUv:F&&d(_.clearcoatRoughnessMap.channel),diffuseRoughnessMapUv:te&&d(_.diffuseRoughnessMap.channel),iridescenceMapUv:K&&d(_.iridescenceMap.channel),iridescenceThicknessMapUv:se&&d(_.iridescenceThicknessMap.channel),sheenColorMapUv:ue&&d(_.sheenColorMap.channel),sheenRoughnessMapUv:q&&d(_.sheenRoughnessMap.channel),specularMapUv:Z&&d(_.specularMap.channel),specularColorMapUv:oe&&d(_.specularColorMap.channel),specularIntensityMapUv:R&&d(_.specularIntensityMap.channel),transmissionMapUv:J&&d(_.transmissionMap.channel),thicknessMapUv:X&&d(_.thicknessMap.channel),alphaMapUv:ie&&d(_.alphaMap.channel),vertexTangents:!!C.attributes.tangent&&(rt||jt),vertexNormals:!!C.attributes.normal,vertexColors:_.vertexColors,vertexAlphas:_.vertexColors===!0&&!!C.attributes.color&&C.attributes.color.itemSize===4,pointsUvs:N.isPoints===!0&&!!C.attributes.uv&&(Re||ie),fog:!!W,useFog:_.fog===!0,fogExp2:!!W&&W.isFogExp2,flatShading:_.wireframe===!1&&(_.flatShading===!0||C.attributes.normal===void 0&&rt===!1&&(_.isMeshLambertMaterial||_.isMeshPhongMaterial||_.isMeshStandardMaterial||_.isMeshPhysicalMaterial)),sizeAttenuation:_.sizeAttenuation===!0,logarithmicDepthBuffer:h,reversedDepthBuffer:ge,skinning:N.isSkinnedMesh===!0,hasPositionAttribute:C.attributes.position!==void 0,morphTargets:C.morphAttributes.position!==void 0,morphNormals:C.morphAttributes.normal!==void 0,morphColors:C.morphAttributes.color!==void 0,morphTargetsCount:Q,morphTextureStride:ve,numSunLights:w.sun.length,numDirLights:w.directional.length,numPointLights:w.point.length,numSpotLights:w.spot.length,numSpotLightMaps:w.spotLightMap.length,numRectAreaLights:w.rectArea.length,numHemiLights:w.hemi.length,numSunLightShadows:w.sunShadowMap.length,numDirLightShadows:w.directionalShadowMap.length,numPointLightShadows:w.pointShadowMap.length,numSpotLightShadows:w.spotShadowMap.length,numSpotLightShadowsWithMaps:w.numSpotLightShadowsWithMaps,numLightProbes:w.numLightProbes,numLightProbeGrids:k.filter(pe=>pe.texture!==null).length,numClippingPlanes:r.numPlanes,numClipIntersection:r.numIntersection,dithering:_.dithering,shadowMapEnabled:n.shadowMap.enabled&&D.length>0,shadowMapType:n.shadowMap.type,toneMapping:ne,decodeVideoTexture:Re&&_.map.isVideoTexture===!0&&Ve.getTransfer(_.map.colorSpace)===Ye,decodeVideoTextureEmissive:_t&&_.emissiveMap.isVideoTexture===!0&&Ve.getTransfer(_.emissiveMap.colorSpace)===Ye,premultipliedAlpha:_.premultipliedAlpha,doubleSided:_.side===wn,flipSided:_.side===Ut,useDepthPacking:_.depthPacking>=0,depthPacking:_.depthPacking||0,index0AttributeName:_.index0AttributeName,extensionClipCullDistance:Oe&&_.extensions.clipCullDistance===!0&&t.has("WEBGL_clip_cull_distance"),extensionMultiDraw:(Oe&&_.extensions.multiDraw===!0||ct)&&t.has("WEBGL_multi_draw"),rendererExtensionParallelShaderCompile:t.has("KHR_parallel_shader_compile"),customProgramCacheKey:_.customProgramCacheKey()};return Fe.vertexUv1s=l.has(1),Fe.vertexUv2s=l.has(2),Fe.vertexUv3s=l.has(3),l.clear(),Fe}function y(_){let w=[];if(_.shaderID?w.push(_.shaderID):(w.push(_.customVertexShaderID),w.push(_.customFragmentShaderID)),_.defines!==void 0)for(let D in _.defines)w.push(D),w.push(_.defines[D]);return _.isRawShaderMaterial===!1&&(g(w,_),p(w,_),w.push(n.outputColorSpace)),w.push(_.customProgramCacheKey),w.join()}function g(_,w){_.push(w.precision),_.push(w.outputColorSpace),_.push(w.envMapMode),_.push(w.envMapPMREM),_.push(w.envMapMaxLod),_.push(w.envMapSize),_.push(w.mapUv),_.push(w.alphaMapUv),_.push(w.lightMapUv),_.push(w.aoMapUv),_.push(w.bumpMapUv),_.push(w.normalMapUv),_.push(w.displacementMapUv),_.push(w.emissiveMapUv),_.push(w.metalnessMapUv),_.push(w.roughnessMapUv),_.push(w.anisotropyMapUv),_.push(w.clearcoatMapUv),_.push(w.clearcoatNormalMapUv),_.push(w.clearcoatRoughnessMapUv),_.push(w.diffuseRoughnessMapUv),_.push(w.iridescenceMapUv),_.push(w.iridescenceThicknessMapUv),_.push(w.sheenColorMapUv),_.push(w.sheenRoughnessMapUv),_.push(w.specularMapUv),_.push(w.specularColorMapUv),_.push(w.specularIntensityMapUv),_.push(w.transmissionMapUv),_.push(w.thicknessMapUv),_.push(w.combine),_.push(w.fogExp2),_.push(w.sizeAttenuation),_.push(w.morphTargetsCount),_.push(w.numSunLights),_.push(w.numDirLights),_.push(w.numPointLights),_.push(w.numSpotLights),_.push(w.numSpotLightMaps),_.push(w.numHemiLights),_.push(w.numRectAreaLights),_.push(w.numSunLightShadows),_.push(w.numDirLightShadows),_.push(w.numPointLightShadows),_.push(w.numSpotLightShadows),_.push(w.numSpotLightShadowsWithMaps),_.push(w.numLightProbes),_.push(w.numLightProbeGrids),_.push(w.shadowMapType),_.push(w.toneMapping),_.push(w.numClippingPlanes),_.push(w.numClipIntersection),_.push(w.depthPacking)}function p(_,w){o.disableAll(),w.instancing&&o.enable(0),w.instancingColor&&o.enable(1),w.instancingMorph&&o.enable(2),w.matcap&&o.enable(3),w.envMap&&o.enable(4),w.normalMapObjectSpace&&o.enable(5),w.normalMapTangentSpace&&o.enable(6),w.clearcoat&&o.enable(7),w.iridescence&&o.enable(8),w.alphaTest&&o.enable(9),w.vertexColors&&o.enable(10),w.vertexAlphas&&o.enable(11),w.vertexUv1s&&o.enable(12),w.vertexUv2s&&o.enable(13),w.vertexUv3s&&o.enable(14),w.vertexTangents&&o.enable(15),w.anisotropy&&o.enable(16),w.alphaHash&&o.enable(17),w.batching&&o.enable(18),w.dispersion&&o.enable(19),w.retroreflection&&o.enable(24),w.diffuseRoughness&&o.enable(25),w.batchingColor&&o.enable(20),w.gradientMap&&o.enable(21),w.packedNormalMap&&o.enable(22),w.vertexNormals&&o.enable(23),_.push(o.mask),o.disableAll(),w.fog&&o.enable(0),w.useFog&&o.enable(1),w.flatShading&&o.enable(2),w.logarithmicDepthBuffer&&o.enable(3),w.reversedDepthBuffer&&o.enable(4),w.skinning&&o.enable(5),w.morphTargets&&o.enable(6),w.morphNormals&&o.enable(7),w.morphColors&&o.enable(8),w.premultipliedAlpha&&o.enable(9),w.shadowMapEnabled&&o.enable(10),w.doubleSided&&o.enable(11),w.flipSided&&o.enable(12),w.useDepthPacking&&o.enable(13),w.dithering&&o.enable(14),w.transmission&&o.enable(15),w.sheen&&o.enable(16),w.opaque&&o.enable(17),w.pointsUvs&&o.enable(18),w.decodeVideoTexture&&o.enable(19),w.decodeVideoTextureEmissive&&o.enable(20),w.alphaToCoverage&&o.enable(21),w.numLightProbeGrids>0&&o.enable(22),w.hasPositionAttribute&&o.enable(23),_.push(o.mask)}function x(_){let w=f[_.type],D;if(w){let P=Tn[w];D=Vd.clone(P.uniforms)}else D=_.uniforms;return D}function b(_,w){let D=u.get(w);return D!==void 0?++D.usedTimes:(D=new Tv(n,w,_,s),c.push(D),u.set(w,D)),D}function S(_){if(--_.usedTimes===0){let w=c.indexOf(_);c[w]=c[c.length-1],c.pop(),u.delete(_.cacheKey),_.destroy()}}function E(_){a.remove(_)}function T(){a.dispose()}return{getParameters:m,getProgramCacheKey:y,getUniforms:x,acquireProgram:b,releaseProgram:S,releaseShaderCache:E,programs:c,dispose:T}}function Pv(){let n=new WeakMap;function e(o){return n.has(o)}function t(o){let a=n.get(o);return a===void 0&&(a={},n.set(o,a)),a}function i(o){n.delete(o)}function s(o,a,l){n.get(o)[a]=l}function r(){n=new WeakMap}return{has:e,get:t,remove:i,update:s,dispose:r}}function Lv(n,e){return n.groupOrder!==e.groupOrder?n.groupOrder-e.groupOrder:n.renderOrder!==e.renderOrder?n.renderOrder-e.renderOrder:n.material.id!==e.material.id?n.material.id-e.material.id:n.materialVariant!==e.materialVariant?n.materialVariant-e.materialVariant:n.z!==e.z?n.z-e.z:n.id-e.id}function lp(n,e){return n.groupOrder!==e.groupOrder?n.groupOrder-e.groupOrder:n.renderOrder!==e.renderOrder?n.renderOrder-e.renderOrder:n.z!==e.z?e.z-n.z:n.id-e.id}function cp(){let n=[],e=0,t=[],i=[],s=[];function r(){e=0,t.length=0,i.length=0,s.length=0}function o(f){let d=0;return f.isInstancedMesh&&(d+=2),f.isSkinnedMesh&&(d+=1),d}function a(f,d,m,y,g,p){let x=n[e];return x===void 0?(x={id:f.id,object:f,geometry:d,material:m,materialVariant:o(f),groupOrder:y,renderOrder:f.renderOrder,z:g,group:p},n[e]=x):(x.id=f.id,x.object=f,x.geometry=d,x.material=m,x.materialVariant=o(f),x.groupOrder=y,x.renderOrder=f.renderOrder,x.z=g,x.group=p),e++,x}function l(f,d,m,y,g,p,x){x.reversedDepth===!0&&(g=-g);let b=a(f,d,m,y,g,p);m.transmission>0?i.push(b):m.transparent===!0?s.push(b):t.push(b)}function c(f,d,m,y,g,p){let x=a(f,d,m,y,g,p);m.transmission>0?i.unshift(x):m.transparent===!0?s.unshift(x):t.unshift(x)}function u(f,d){t.length>1&&t.sort(f||Lv),i.length>1&&i.sort(d||lp),s.length>1&&s.sort(d||lp)}function h(){for(let f=e,d=n.length;f<d;f++){let m=n[f];if(m.id===null)break;m.id=null,m.object=null,m.geometry=null,m.material=null,m.group=null}}return{opaque:t,transmissive:i,transparent:s,init:r,push:l,unshift:c,finish:h,sort:u}}function Nv(){let n=new WeakMap;function e(i,s){let r=n.get(i),o;return r===void 0?(o=new cp,n.set(i,[o])):s>=r.length?(o=new cp,r.push(o)):o=r[s],o}function t(){n=new WeakMap}return{get:e,dispose:t}}function Dv(){let n={};return{get:function(e){if(n[e.id]!==void 0)return n[e.id];let t;switch(e.type){case"SunLight":case"DirectionalLight":t={direction:new V,color:new We};break;case"SpotLight":t={position:new V,direction:new V,color:new We,distance:0,coneCos:0,penumbraCos:0,decay:0};break;case"PointLight":t={position:new V,color:new We,distance:0,decay:0};break;case"HemisphereLight":t={direction:new V,skyColor:new We,groundColor:new We};break;case"RectAreaLight":t={color:new We,position:new V,halfWidth:new V,halfHeight:new V};break}return n[e.id]=t,t}}}function Uv(){let n={};return{get:function(e){if(n[e.id]!==void 0)return n[e.id];let t;switch(e.type){case"SunLight":case"DirectionalLight":t={shadowIntensity:1,shadowBias:0,shadowNormalBias:0,shadowRadius:1,shadowMapSize:new qe};break;case"SpotLight":t={shadowIntensity:1,shadowBias:0,shadowNormalBias:0,shadowRadius:1,shadowMapSize:new qe};break;case"PointLight":t={shadowIntensity:1,shadowBias:0,shadowNormalBias:0,shadowRadius:1,shadowMapSize:new qe,shadowCameraNear:1,shadowCameraFar:1e3};break}return n[e.id]=t,t}}}var Fv=0;function Ov(n,e){return(e.castShadow?2:0)-(n.castShadow?2:0)+(e.map?1:0)-(n.map?1:0)}function Bv(n){let e=new Dv,t=Uv(),i={version:0,hash:{sunLength:-1,directionalLength:-1,pointLength:-1,spotLength:-1,rectAreaLength:-1,hemiLength:-1,numSunShadows:-1,numDirectionalShadows:-1,numPointShadows:-1,numSpotShadows:-1,numSpotMaps:-1,numLightProbes:-1},ambient:[0,0,0],probe:[],sun:[],sunShadow:[],sunShadowMap:[],sunShadowMatrix:[],sunShadowCascade:[],directional:[],directionalShadow:[],directionalShadowMap:[],directionalShadowMatrix:[],spot:[],spotLightMap:[],spotShadow:[],spotShadowMap:[],spotLightMatrix:[],rectArea:[],rectAreaLTC1:null,rectAreaLTC2:null,point:[],pointShadow:[],pointShadowMap:[],pointShadowMatrix:[],hemi:[],numSpotLightShadowsWithMaps:0,numLightProbes:0};for(let c=0;c<9;c++)i.probe.push(new V);let s=new V,r=new nt,o=new nt;function a(c){let u=0,h=0,f=0;for(let k=0;k<9;k++)i.probe[k].set(0,0,0);let d=0,m=0,y=0,g=0,p=0,x=0,b=0,S=0,E=0,T=0,_=0,w=0,D=0,P=0;c.sort(Ov);for(let k=0,W=c.length;k<W;k++){let C=c[k],G=C.color,$=C.intensity,B=C.distance,ee=null;if(C.shadow&&C.shadow.map&&(C.shadow.map.texture.format===ui?ee=C.shadow.map.texture:ee=C.shadow.map.depthTexture||C.shadow.map.texture),C.isAmbientLight)u+=G.r*$,h+=G.g*$,f+=G.b*$;else if(C.isLightProbe){for(let H=0;H<9;H++)i.probe[H].addScaledVector(C.sh.coefficients[H],$);P++}else if(C.isSunLight){let H=e.get(C);if(H.color.copy(C.color).multiplyScalar(C.intensity),C.castShadow){let j=C.shadow,Q=t.get(C);Q.shadowIntensity=j.intensity,Q.shadowBias=j.bias,Q.shadowNormalBias=j.normalBias,Q.shadowRadius=j.radius,Q.shadowMapSize.copy(j.mapSize).multiply(j.getFrameExtents()),i.sunShadow[m]=Q,i.sunShadowMap[m]=ee;let ve=j.getViewportCount();for(let Pe=0;Pe<ve;Pe++)i.sunShadowMatrix[y+Pe]=j.getMatrix(Pe),i.sunShadowCascade[y+Pe]=j._cascadeData[Pe];y+=ve,m++}i.sun[d]=H,d++}else if(C.isDirectionalLight){let H=e.get(C);if(H.color.copy(C.color).multiplyScalar(C.intensity),C.castShadow){let j=C.shadow,Q=t.get(C);Q.shadowIntensity=j.intensity,Q.shadowBias=j.bias,Q.shadowNormalBias=j.normalBias,Q.shadowRadius=j.radius,Q.shadowMapSize=j.mapSize,i.directionalShadow[g]=Q,i.directionalShadowMap[g]=ee,i.directionalShadowMatrix[g]=C.shadow.matrix,E++}i.directional[g]=H,g++}else if(C.isSpotLight){let H=e.get(C);H.position.setFromMatrixPosition(C.matrixWorld),H.color.copy(G).multiplyScalar($),H.distance=B,H.coneCos=Math.cos(C.angle),H.penumbraCos=Math.cos(C.angle*(1-C.penumbra)),H.decay=C.decay,i.spot[x]=H;let j=C.shadow;if(C.map&&(i.spotLightMap[w]=C.map,w++,j.updateMatrices(C),C.castShadow&&D++),i.spotLightMatrix[x]=j.matrix,C.castShadow){let Q=t.get(C);Q.shadowIntensity=j.intensity,Q.shadowBias=j.bias,Q.shadowNormalBias=j.normalBias,Q.shadowRadius=j.radius,Q.shadowMapSize=j.mapSize,i.spotShadow[x]=Q,i.spotShadowMap[x]=ee,_++}x++}else if(C.isRectAreaLight){let H=e.get(C);H.color.copy(G).multiplyScalar($),H.halfWidth.set(C.width*.5,0,0),H.halfHeight.set(0,C.height*.5,0),i.rectArea[b]=H,b++}else if(C.isPointLight){let H=e.get(C);if(H.color.copy(C.color).multiplyScalar(C.intensity),H.distance=C.distance,H.decay=C.decay,C.castShadow){let j=C.shadow,Q=t.get(C);Q.shadowIntensity=j.intensity,Q.shadowBias=j.bias,Q.shadowNormalBias=j.normalBias,Q.shadowRadius=j.radius,Q.shadowMapSize=j.mapSize,Q.shadowCameraNear=j.camera.near,Q.shadowCameraFar=j.camera.far,i.pointShadow[p]=Q,i.pointShadowMap[p]=ee,i.pointShadowMatrix[p]=C.shadow.matrix,T++}i.point[p]=H,p++}else if(C.isHemisphereLight){let H=e.get(C);H.skyColor.copy(C.color).multiplyScalar($),H.groundColor.copy(C.groundColor).multiplyScalar($),i.hemi[S]=H,S++}}b>0&&(n.has("OES_texture_float_linear")===!0?(i.rectAreaLTC1=me.LTC_FLOAT_1,i.rectAreaLTC2=me.LTC_FLOAT_2):(i.rectAreaLTC1=me.LTC_HALF_1,i.rectAreaLTC2=me.LTC_HALF_2)),i.ambient[0]=u,i.ambient[1]=h,i.ambient[2]=f;let N=i.hash;(N.sunLength!==d||N.directionalLength!==g||N.pointLength!==p||N.spotLength!==x||N.rectAreaLength!==b||N.hemiLength!==S||N.numSunShadows!==m||N.numDirectionalShadows!==E||N.numPointShadows!==T||N.numSpotShadows!==_||N.numSpotMaps!==w||N.numLightProbes!==P)&&(i.sun.length=d,i.directional.length=g,i.spot.length=x,i.rectArea.length=b,i.point.length=p,i.hemi.length=S,i.sunShadow.length=m,i.sunShadowMap.length=m,i.sunShadowMatrix.length=y,i.sunShadowCascade.length=y,i.directionalShadow.length=E,i.directionalShadowMap.length=E,i.directionalShadowMatrix.length=E,i.pointShadow.length=T,i.pointShadowMap.length=T,i.pointShadowMatrix.length=T,i.spotShadow.length=_,i.spotShadowMap.length=_,i.spotLightMatrix.length=_+w-D,i.spotLightMap.length=w,i.numSpotLightShadowsWithMaps=D,i.numLightProbes=P,N.sunLength=d,N.directionalLength=g,N.pointLength=p,N.spotLength=x,N.rectAreaLength=b,N.hemiLength=S,N.numSunShadows=m,N.numDirectionalShadows=E,N.numPointShadows=T,N.numSpotShadows=_,N.numSpotMaps=w,N.numLightProbes=P,i.version=Fv++)}function l(c,u){let h=0,f=0,d=0,m=0,y=0,g=0,p=u.matrixWorldInverse;for(let x=0,b=c.length;x<b;x++){let S=c[x];if(S.isSunLight){let E=i.sun[h];E.direction.setFromMatrixPosition(S.matrixWorld),E.direction.transformDirection(p),h++}else if(S.isDirectionalLight){let E=i.directional[f];E.direction.setFromMatrixPosition(S.matrixWorld),s.setFromMatrixPosition(S.target.matrixWorld),E.direction.sub(s),E.direction.transformDirection(p),f++}else if(S.isSpotLight){let E=i.spot[m];E.position.setFromMatrixPosition(S.matrixWorld),E.position.applyMatrix4(p),E.direction.setFromMatrixPosition(S.matrixWorld),s.setFromMatrixPosition(S.target.matrixWorld),E.direction.sub(s),E.direction.transformDirection(p),m++}else if(S.isRectAreaLight){let E=i.rectArea[y];E.position.setFromMatrixPosition(S.matrixWorld),E.position.applyMatrix4(p),o.identity(),r.copy(S.matrixWorld),r.premultiply(p),o.extractRotation(r),E.halfWidth.set(S.width*.5,0,0),E.halfHeight.set(0,S.height*.5,0),E.halfWidth.applyMatrix4(o),E.halfHeight.applyMatrix4(o),y++}else if(S.isPointLight){let E=i.point[d];E.position.setFromMatrixPosition(S.matrixWorld),E.position.applyMatrix4(p),d++}else if(S.isHemisphereLight){let E=i.hemi[g];E.direction.setFromMatrixPosition(S.matrixWorld),E.direction.transformDirection(p),g++}}}return{setup:a,setupView:l,state:i}}function up(n){let e=new Bv(n),t=[],i=[],s=[];function r(h){u.camera=h,t.length=0,i.length=0,s.length=0}function o(h){h.isLightProbeGrid?s.push(h):t.push(h)}function a(h){i.push(h)}function l(){e.setup(t),s.sort((h,f)=>h.priority-f.priority||h.id-f.id)}function c(h){e.setupView(t,h)}let u={lightsArray:t,shadowsArray:i,lightProbeGridArray:s,camera:null,lights:e,transmissionRenderTarget:{},textureUnits:0};return{init:r,state:u,setupLights:l,setupLightsView:c,pushLight:o,pushShadow:a}}function kv(n){let e=new WeakMap;function t(s,r=0){let o=e.get(s),a;return o===void 0?(a=new up(n),e.set(s,[a])):r>=o.length?(a=new up(n),o.push(a)):a=o[r],a}function i(){e=new WeakMap}return{get:t,dispose:i}}var zv=`void main() {
	gl_Position = vec4( position, 1.0 );
}`,Gv=`uniform sampler2D shadow_pass;
uniform vec2 resolution;
uniform float radius;
void main() {
	const float samples = float( VSM_SAMPLES );
	float mean = 0.0;
	float squared_mean = 0.0;
	float uvStride = samples <= 1.0 ? 0.0 : 2.0 / ( samples - 1.0 );
	float uvStart = samples <= 1.0 ? 0.0 : - 1.0;
	for ( float i = 0.0; i < samples; i ++ ) {
		float uvOffset = uvStart + i * uvStride;
		#ifdef HORIZONTAL_PASS
			vec2 distribution = texture2D( shadow_pass, ( gl_FragCoord.xy + vec2( uvOffset, 0.0 ) * radius ) / resolution ).rg;
			mean += distribution.x;
			squared_mean += distribution.y * distribution.y + distribution.x * distribution.x;
		#else
			float depth = texture2D( shadow_pass, ( gl_FragCoord.xy + vec2( 0.0, uvOffset ) * radius ) / resolution ).r;
			mean += depth;
			squared_mean += depth * depth;
		#endif
	}
	mean = mean / samples;
	squared_mean = squared_mean / samples;
	float std_dev = sqrt( max( 0.0, squared_mean - mean * mean ) );
	gl_FragColor = vec4( mean, std_dev, 0.0, 1.0 );
}`,Vv=[new V(1,0,0),new V(-1,0,0),new V(0,1,0),new V(0,-1,0),new V(0,0,1),new V(0,0,-1)],Hv=[new V(0,-1,0),new V(0,-1,0),new V(0,0,1),new V(0,0,-1),new V(0,-1,0),new V(0,-1,0)],hp=new nt,pr=new V,au=new V;function Wv(n,e,t){let i=new Ri,s=new qe,r=new qe,o=new at,a=new Zo,l=new Jo,c={},u=t.maxTextureSize,h={[ci]:Ut,[Ut]:ci,[wn]:wn},f=new on({defines:{VSM_SAMPLES:8},uniforms:{shadow_pass:{value:null},resolution:{value:new qe},radius:{value:4}},vertexShader:zv,fragmentShader:Gv}),d=f.clone();d.defines.HORIZONTAL_PASS=1;let m=new kt;m.setAttribute("position",new Ct(new Float32Array([-1,-1,.5,3,-1,.5,-1,3,.5]),3));let y=new rn(m,f),g=this;this.enabled=!1,this.autoUpdate=!0,this.needsUpdate=!1,this.type=nr;let p=this.type;this.render=function(T,_,w){if(g.enabled===!1||g.autoUpdate===!1&&g.needsUpdate===!1||T.length===0)return;this.type===ad&&(Ce("WebGLShadowMap: PCFSoftShadowMap has been removed. Using PCFShadowMap instead."),this.type=nr);let D=n.getRenderTarget(),P=n.getActiveCubeFace(),N=n.getActiveMipmapLevel(),k=n.state;k.setBlending(Pi),k.buffers.depth.getReversed()===!0?k.buffers.color.setClear(0,0,0,0):k.buffers.color.setClear(1,1,1,1),k.buffers.depth.setTest(!0),k.setScissorTest(!1);let W=p!==this.type;W&&_.traverse(function(C){C.material&&(Array.isArray(C.material)?C.material.forEach(G=>G.needsUpdate=!0):C.material.needsUpdate=!0)});for(let C=0,G=T.length;C<G;C++){let $=T[C],B=$.shadow;if(B===void 0){Ce("WebGLShadowMap:",$,"has no shadow.");continue}if(B.autoUpdate===!1&&B.needsUpdate===!1)continue;s.copy(B.mapSize);let ee=B.getFrameExtents();s.multiply(ee),r.copy(B.mapSize),(s.x>u||s.y>u)&&(s.x>u&&(r.x=Math.floor(u/ee.x),s.x=r.x*ee.x,B.mapSize.x=r.x),s.y>u&&(r.y=Math.floor(u/ee.y),s.y=r.y*ee.y,B.mapSize.y=r.y));let H=n.state.buffers.depth.getReversed();if(B.camera._reversedDepth=H,B.map===null||W===!0){if(B.map!==null&&(B.map.depthTexture!==null&&(B.map.depthTexture.dispose(),B.map.depthTexture=null),B.map.dispose()),this.type===ds){if($.isPointLight){Ce("WebGLShadowMap: VSM shadow maps are not supported for PointLights. Use PCF or BasicShadowMap instead.");continue}B.map=new Dt(s.x,s.y,{format:ui,type:Zt,minFilter:Nt,magFilter:Nt,generateMipmaps:!1}),B.map.texture.name=$.name+".shadowMap",B.map.depthTexture=new Gn(s.x,s.y,Yt),B.map.depthTexture.name=$.name+".shadowMapDepth",B.map.depthTexture.format=zn,B.map.depthTexture.compareFunction=null,B.map.depthTexture.minFilter=lt,B.map.depthTexture.magFilter=lt}else $.isPointLight?(B.map=new gr(s.x),B.map.depthTexture=new Qs(s.x,mn)):(B.map=new Dt(s.x,s.y),B.map.depthTexture=new Gn(s.x,s.y,mn)),B.map.depthTexture.name=$.name+".shadowMap",B.map.depthTexture.format=zn,this.type===nr?(B.map.depthTexture.compareFunction=H?Kc:Jc,B.map.depthTexture.minFilter=Nt,B.map.depthTexture.magFilter=Nt):(B.map.depthTexture.compareFunction=null,B.map.depthTexture.minFilter=lt,B.map.depthTexture.magFilter=lt);B.camera.updateProjectionMatrix()}B.map.isWebGLCubeRenderTarget!==!0&&(B.map.width!==s.x||B.map.height!==s.y)&&B.map.setSize(s.x,s.y);let j=B.map.isWebGLCubeRenderTarget?6:B.getViewportCount();$.isPointLight!==!0&&B.updateMatrices($,w);let Q=(B.camera.layers.mask&4294967294)!==0?B.camera.layers:w.layers;for(let ve=0;ve<j;ve++){let Pe=B.getCamera(ve);if($.isPointLight){let Y=B.camera,fe=B.matrix,ye=$.distance||Y.far;ye!==Y.far&&(Y.far=ye,Y.updateProjectionMatrix()),pr.setFromMatrixPosition($.matrixWorld),Y.position.copy(pr),au.copy(Y.position),au.add(Vv[ve]),Y.up.copy(Hv[ve]),Y.lookAt(au),Y.updateMatrixWorld(),fe.makeTranslation(-pr.x,-pr.y,-pr.z),hp.multiplyMatrices(Y.projectionMatrix,Y.matrixWorldInverse),B._frustum.setFromProjectionMatrix(hp,Y.coordinateSystem,Y.reversedDepth)}if(B.map.isWebGLCubeRenderTarget)n.setRenderTarget(B.map,ve),n.clear();else{ve===0&&(n.setRenderTarget(B.map),n.clear());let Y=B.getViewport(ve);o.set(r.x*Y.x,r.y*Y.y,r.x*Y.z,r.y*Y.w),k.viewport(o)}i=B.getFrustum(ve),S(_,w,Pe,$,Q,this.type)}B.isPointLightShadow!==!0&&this.type===ds&&x(B,w),B.needsUpdate=!1}p=this.type,g.needsUpdate=!1,n.setRenderTarget(D,P,N)};function x(T,_){let w=e.update(y);f.defines.VSM_SAMPLES!==T.blurSamples&&(f.defines.VSM_SAMPLES=T.blurSamples,d.defines.VSM_SAMPLES=T.blurSamples,f.needsUpdate=!0,d.needsUpdate=!0),T.mapPass===null?T.mapPass=new Dt(s.x,s.y,{format:ui,type:Zt}):(T.mapPass.width!==T.map.width||T.mapPass.height!==T.map.height)&&T.mapPass.setSize(T.map.width,T.map.height),f.uniforms.shadow_pass.value=T.map.depthTexture,f.uniforms.resolution.value.set(T.map.width,T.map.height),f.uniforms.radius.value=T.radius,n.setRenderTarget(T.mapPass),n.clear(),n.renderBufferDirect(_,null,w,f,y,null),d.uniforms.shadow_pass.value=T.mapPass.texture,d.uniforms.resolution.value.set(T.map.width,T.map.height),d.uniforms.radius.value=T.radius,n.setRenderTarget(T.map),n.clear(),n.renderBufferDirect(_,null,w,d,y,null)}function b(T,_,w,D){let P=null,N=w.isPointLight===!0?T.customDistanceMaterial:T.customDepthMaterial;if(N!==void 0)P=N;else if(P=w.isPointLight===!0?l:a,n.localClippingEnabled&&_.clipShadows===!0&&Array.isArray(_.clippingPlanes)&&_.clippingPlanes.length!==0||_.displacementMap&&_.displacementScale!==0||_.alphaMap&&_.alphaTest>0||_.map&&_.alphaTest>0||_.alphaToCoverage===!0){let k=P.uuid,W=_.uuid,C=c[k];C===void 0&&(C={},c[k]=C);let G=C[W];G===void 0&&(G=P.clone(),C[W]=G,_.addEventListener("dispose",E)),P=G}if(P.visible=_.visible,P.wireframe=_.wireframe,D===ds?P.side=_.shadowSide!==null?_.shadowSide:_.side:P.side=_.shadowSide!==null?_.shadowSide:h[_.side],P.alphaMap=_.alphaMap,P.alphaTest=_.alphaToCoverage===!0?.5:_.alphaTest,P.map=_.map,P.clipShadows=_.clipShadows,P.clippingPlanes=_.clippingPlanes,P.clipIntersection=_.clipIntersection,P.displacementMap=_.displacementMap,P.displacementScale=_.displacementScale,P.displacementBias=_.displacementBias,P.wireframeLinewidth=_.wireframeLinewidth,P.linewidth=_.linewidth,w.isPointLight===!0&&P.isMeshDistanceMaterial===!0){let k=n.properties.get(P);k.light=w}return P}function S(T,_,w,D,P,N){if(T.visible===!1)return;if(T.layers.test(P)&&(T.isMesh||T.isLine||T.isPoints)&&(T.castShadow||T.receiveShadow&&N===ds)&&(!T.frustumCulled||T.intersectsFrustum(i))){T.modelViewMatrix.multiplyMatrices(w.matrixWorldInverse,T.matrixWorld);let C=e.update(T),G=T.material;if(Array.isArray(G)){let $=C.groups;for(let B=0,ee=$.length;B<ee;B++){let H=$[B],j=G[H.materialIndex];if(j&&j.visible){let Q=b(T,j,D,N);T.onBeforeShadow(n,T,_,w,C,Q,H),n.renderBufferDirect(w,null,C,Q,T,H),T.onAfterShadow(n,T,_,w,C,Q,H)}}}else if(G.visible){let $=b(T,G,D,N);T.onBeforeShadow(n,T,_,w,C,$,null),n.renderBufferDirect(w,null,C,$,T,null),T.onAfterShadow(n,T,_,w,C,$,null)}}let W=T.children;for(let C=0,G=W.length;C<G;C++)S(W[C],_,w,D,P,N)}function E(T){T.target.removeEventListener("dispose",E);for(let w in c){let D=c[w],P=T.target.uuid;P in D&&(D[P].dispose(),delete D[P])}}}function Xv(n,e){function t(){let R=!1,J=new at,X=null,ae=new at(0,0,0,0);return{setMask:function(ie){X!==ie&&!R&&(n.colorMask(ie,ie,ie,ie),X=ie)},setLocked:function(ie){R=ie},setClear:function(ie,re,we,Oe,ne){ne===!0&&(ie*=Oe,re*=Oe,we*=Oe),J.set(ie,re,we,Oe),ae.equals(J)===!1&&(n.clearColor(ie,re,we,Oe),ae.copy(J))},reset:function(){R=!1,X=null,ae.set(-1,0,0,0)}}}function i(){let R=!1,J=!1,X=null,ae=null,ie=null;return{setReversed:function(re){if(J!==re){let we=e.get("EXT_clip_control");re?we.clipControlEXT(we.LOWER_LEFT_EXT,we.ZERO_TO_ONE_EXT):we.clipControlEXT(we.LOWER_LEFT_EXT,we.NEGATIVE_ONE_TO_ONE_EXT),J=re;let Oe=ie;ie=null,this.setClear(Oe)}},getReversed:function(){return J},setTest:function(re){re?ge(n.DEPTH_TEST):Ue(n.DEPTH_TEST)},setMask:function(re){X!==re&&!R&&(n.depthMask(re),X=re)},setFunc:function(re){if(J&&(re=kd[re]),ae!==re){switch(re){case Po:n.depthFunc(n.NEVER);break;case Lo:n.depthFunc(n.ALWAYS);break;case No:n.depthFunc(n.LESS);break;case is:n.depthFunc(n.LEQUAL);break;case Do:n.depthFunc(n.EQUAL);break;case Uo:n.depthFunc(n.GEQUAL);break;case Fo:n.depthFunc(n.GREATER);break;case Oo:n.depthFunc(n.NOTEQUAL);break;default:n.depthFunc(n.LEQUAL)}ae=re}},setLocked:function(re){R=re},setClear:function(re){ie!==re&&(ie=re,J&&(re=1-re),n.clearDepth(re))},reset:function(){R=!1,X=null,ae=null,ie=null,J=!1}}}function s(){let R=!1,J=null,X=null,ae=null,ie=null,re=null,we=null,Oe=null,ne=null;return{setTest:function(Ae){R||(Ae?ge(n.STENCIL_TEST):Ue(n.STENCIL_TEST))},setMask:function(Ae){J!==Ae&&!R&&(n.stencilMask(Ae),J=Ae)},setFunc:function(Ae,Fe,pe){(X!==Ae||ae!==Fe||ie!==pe)&&(n.stencilFunc(Ae,Fe,pe),X=Ae,ae=Fe,ie=pe)},setOp:function(Ae,Fe,pe){(re!==Ae||we!==Fe||Oe!==pe)&&(n.stencilOp(Ae,Fe,pe),re=Ae,we=Fe,Oe=pe)},setLocked:function(Ae){R=Ae},setClear:function(Ae){ne!==Ae&&(n.clearStencil(Ae),ne=Ae)},reset:function(){R=!1,J=null,X=null,ae=null,ie=null,re=null,we=null,Oe=null,ne=null}}}let r=new t,o=new i,a=new s,l={},c=new WeakMap,u={},h={},f={},d=new WeakMap,m=[],y=null,g=!1,p=null,x=null,b=null,S=null,E=null,T=null,_=null,w=new We(0,0,0),D=0,P=!1,N=null,k=null,W=null,C=null,G=null,$=n.getParameter(n.MAX_COMBINED_TEXTURE_IMAGE_UNITS),B=!1,ee=0,H=n.getParameter(n.VERSION);H.indexOf("WebGL")!==-1?(ee=parseFloat(/^WebGL (\d)/.exec(H)[1]),B=ee>=1):H.indexOf("OpenGL ES")!==-1&&(ee=parseFloat(/^OpenGL ES (\d)/.exec(H)[1]),B=ee>=2);let j=null,Q={},ve=n.getParameter(n.SCISSOR_BOX),Pe=n.getParameter(n.VIEWPORT),Y=new at().fromArray(ve),fe=new at().fromArray(Pe);function ye(R,J,X,ae){let ie=new Uint8Array(4),re=n.createTexture();n.bindTexture(R,re),n.texParameteri(R,n.TEXTURE_MIN_FILTER,n.NEAREST),n.texParameteri(R,n.TEXTURE_MAG_FILTER,n.NEAREST);for(let we=0;we<X;we++)R===n.TEXTURE_3D||R===n.TEXTURE_2D_ARRAY?n.texImage3D(J,0,n.RGBA,1,1,ae,0,n.RGBA,n.UNSIGNED_BYTE,ie):n.texImage2D(J+we,0,n.RGBA,1,1,0,n.RGBA,n.UNSIGNED_BYTE,ie);return re}let Ee={};Ee[n.TEXTURE_2D]=ye(n.TEXTURE_2D,n.TEXTURE_2D,1),Ee[n.TEXTURE_CUBE_MAP]=ye(n.TEXTURE_CUBE_MAP,n.TEXTURE_CUBE_MAP_POSITIVE_X,6),Ee[n.TEXTURE_2D_ARRAY]=ye(n.TEXTURE_2D_ARRAY,n.TEXTURE_2D_ARRAY,1,1),Ee[n.TEXTURE_3D]=ye(n.TEXTURE_3D,n.TEXTURE_3D,1,1),r.setClear(0,0,0,1),o.setClear(1),a.setClear(0),ge(n.DEPTH_TEST),o.setFunc(is),Ft(!1),rt(Cc),ge(n.CULL_FACE),Mt(Pi);function ge(R){u[R]!==!0&&(n.enable(R),u[R]=!0)}function Ue(R){u[R]!==!1&&(n.disable(R),u[R]=!1)}function ct(R,J){return f[R]!==J?(n.bindFramebuffer(R,J),f[R]=J,R===n.DRAW_FRAMEBUFFER&&(f[n.FRAMEBUFFER]=J),R===n.FRAMEBUFFER&&(f[n.DRAW_FRAMEBUFFER]=J),!0):!1}function Re(R,J){let X=m,ae=!1;if(R){X=d.get(J),X===void 0&&(X=[],d.set(J,X));let ie=R.textures;if(X.length!==ie.length||X[0]!==n.COLOR_ATTACHMENT0){for(let re=0,we=ie.length;re<we;re++)X[re]=n.COLOR_ATTACHMENT0+re;X.length=ie.length,ae=!0}}else X[0]!==n.BACK&&(X[0]=n.BACK,ae=!0);ae&&n.drawBuffers(X)}function Ze(R){return y!==R?(n.useProgram(R),y=R,!0):!1}let je={[Vn]:n.FUNC_ADD,[ld]:n.FUNC_SUBTRACT,[cd]:n.FUNC_REVERSE_SUBTRACT};je[ud]=n.MIN,je[hd]=n.MAX;let ke={[fd]:n.ZERO,[ir]:n.ONE,[dd]:n.SRC_COLOR,[Nc]:n.SRC_ALPHA,[xd]:n.SRC_ALPHA_SATURATE,[_d]:n.DST_COLOR,[md]:n.DST_ALPHA,[pd]:n.ONE_MINUS_SRC_COLOR,[sr]:n.ONE_MINUS_SRC_ALPHA,[yd]:n.ONE_MINUS_DST_COLOR,[gd]:n.ONE_MINUS_DST_ALPHA,[vd]:n.CONSTANT_COLOR,[Md]:n.ONE_MINUS_CONSTANT_COLOR,[Sd]:n.CONSTANT_ALPHA,[bd]:n.ONE_MINUS_CONSTANT_ALPHA};function Mt(R,J,X,ae,ie,re,we,Oe,ne,Ae){if(R===Pi){g===!0&&(Ue(n.BLEND),g=!1);return}if(g===!1&&(ge(n.BLEND),g=!0),R!==la){if(R!==p||Ae!==P){if((x!==Vn||E!==Vn)&&(n.blendEquation(n.FUNC_ADD),x=Vn,E=Vn),Ae)switch(R){case ps:n.blendFuncSeparate(n.ONE,n.ONE_MINUS_SRC_ALPHA,n.ONE,n.ONE_MINUS_SRC_ALPHA);break;case Ic:n.blendFunc(n.ONE,n.ONE);break;case Pc:n.blendFuncSeparate(n.ZERO,n.ONE_MINUS_SRC_COLOR,n.ZERO,n.ONE);break;case Lc:n.blendFuncSeparate(n.DST_COLOR,n.ONE_MINUS_SRC_ALPHA,n.ZERO,n.ONE);break;default:Ie("WebGLState: Invalid blending: ",R);break}else switch(R){case ps:n.blendFuncSeparate(n.SRC_ALPHA,n.ONE_MINUS_SRC_ALPHA,n.ONE,n.ONE_MINUS_SRC_ALPHA);break;case Ic:n.blendFuncSeparate(n.SRC_ALPHA,n.ONE,n.ONE,n.ONE);break;case Pc:Ie("WebGLState: SubtractiveBlending requires material.premultipliedAlpha = true");break;case Lc:Ie("WebGLState: MultiplyBlending requires material.premultipliedAlpha = true");break;default:Ie("WebGLState: Invalid blending: ",R);break}b=null,S=null,T=null,_=null,w.set(0,0,0),D=0,p=R,P=Ae}return}ie=ie||J,re=re||X,we=we||ae,(J!==x||ie!==E)&&(n.blendEquationSeparate(je[J],je[ie]),x=J,E=ie),(X!==b||ae!==S||re!==T||we!==_)&&(n.blendFuncSeparate(ke[X],ke[ae],ke[re],ke[we]),b=X,S=ae,T=re,_=we),(Oe.equals(w)===!1||ne!==D)&&(n.blendColor(Oe.r,Oe.g,Oe.b,ne),w.copy(Oe),D=ne),p=R,P=!1}function ft(R,J){R.side===wn?Ue(n.CULL_FACE):ge(n.CULL_FACE);let X=R.side===Ut;J&&(X=!X),Ft(X),R.blending===ps&&R.transparent===!1?Mt(Pi):Mt(R.blending,R.blendEquation,R.blendSrc,R.blendDst,R.blendEquationAlpha,R.blendSrcAlpha,R.blendDstAlpha,R.blendColor,R.blendAlpha,R.premultipliedAlpha),o.setFunc(R.depthFunc),o.setTest(R.depthTest),o.setMask(R.depthWrite),r.setMask(R.colorWrite);let ae=R.stencilWrite;a.setTest(ae),ae&&(a.setMask(R.stencilWriteMask),a.setFunc(R.stencilFunc,R.stencilRef,R.stencilFuncMask),a.setOp(R.stencilFail,R.stencilZFail,R.stencilZPass)),_t(R.polygonOffset,R.polygonOffsetFactor,R.polygonOffsetUnits),R.alphaToCoverage===!0?ge(n.SAMPLE_ALPHA_TO_COVERAGE):Ue(n.SAMPLE_ALPHA_TO_COVERAGE)}function Ft(R){N!==R&&(R?n.frontFace(n.CW):n.frontFace(n.CCW),N=R)}function rt(R){R!==rd?(ge(n.CULL_FACE),R!==k&&(R===Cc?n.cullFace(n.BACK):R===od?n.cullFace(n.FRONT):n.cullFace(n.FRONT_AND_BACK))):Ue(n.CULL_FACE),k=R}function _n(R){R!==W&&(B&&n.lineWidth(R),W=R)}function _t(R,J,X){R?(ge(n.POLYGON_OFFSET_FILL),(C!==J||G!==X)&&(C=J,G=X,o.getReversed()&&(J=-J,X=-X),n.polygonOffset(J,X))):Ue(n.POLYGON_OFFSET_FILL)}function Jt(R){R?ge(n.SCISSOR_TEST):Ue(n.SCISSOR_TEST)}function Kt(R){R===void 0&&(R=n.TEXTURE0+$-1),j!==R&&(n.activeTexture(R),j=R)}function jt(R,J,X){X===void 0&&(j===null?X=n.TEXTURE0+$-1:X=j);let ae=Q[X];ae===void 0&&(ae={type:void 0,texture:void 0},Q[X]=ae),(ae.type!==R||ae.texture!==J)&&(j!==X&&(n.activeTexture(X),j=X),n.bindTexture(R,J||Ee[R]),ae.type=R,ae.texture=J)}function L(){let R=Q[j];R!==void 0&&R.type!==void 0&&(n.bindTexture(R.type,null),R.type=void 0,R.texture=void 0)}function Qt(){try{n.compressedTexImage2D(...arguments)}catch(R){Ie("WebGLState:",R)}}function it(){try{n.compressedTexImage3D(...arguments)}catch(R){Ie("WebGLState:",R)}}function st(){try{n.texSubImage2D(...arguments)}catch(R){Ie("WebGLState:",R)}}function de(){try{n.texSubImage3D(...arguments)}catch(R){Ie("WebGLState:",R)}}function dt(){try{n.compressedTexSubImage2D(...arguments)}catch(R){Ie("WebGLState:",R)}}function Te(){try{n.compressedTexSubImage3D(...arguments)}catch(R){Ie("WebGLState:",R)}}function Ne(){try{n.texStorage2D(...arguments)}catch(R){Ie("WebGLState:",R)}}function A(){try{n.texStorage3D(...arguments)}catch(R){Ie("WebGLState:",R)}}function v(){try{n.texImage2D(...arguments)}catch(R){Ie("WebGLState:",R)}}function F(){try{n.texImage3D(...arguments)}catch(R){Ie("WebGLState:",R)}}function te(R){return h[R]!==void 0?h[R]:n.getParameter(R)}function K(R,J){h[R]!==J&&(n.pixelStorei(R,J),h[R]=J)}function se(R){Y.equals(R)===!1&&(n.scissor(R.x,R.y,R.z,R.w),Y.copy(R))}function ue(R){fe.equals(R)===!1&&(n.viewport(R.x,R.y,R.z,R.w),fe.copy(R))}function q(R,J){let X=c.get(J);X===void 0&&(X=new WeakMap,c.set(J,X));let ae=X.get(R);ae===void 0&&(ae=n.getUniformBlockIndex(J,R.name),n.uniformBlockBinding(J,ae,ae),X.set(R,ae))}function Z(R,J,X){let ie=c.get(J).get(R);l[ie]!==X&&(n.bindBufferBase(n.UNIFORM_BUFFER,ie,X),l[ie]=X)}function oe(){n.disable(n.BLEND),n.disable(n.CULL_FACE),n.disable(n.DEPTH_TEST),n.disable(n.POLYGON_OFFSET_FILL),n.disable(n.SCISSOR_TEST),n.disable(n.STENCIL_TEST),n.disable(n.SAMPLE_ALPHA_TO_COVERAGE),n.blendEquation(n.FUNC_ADD),n.blendFunc(n.ONE,n.ZERO),n.blendFuncSeparate(n.ONE,n.ZERO,n.ONE,n.ZERO),n.blendColor(0,0,0,0),n.colorMask(!0,!0,!0,!0),n.clearColor(0,0,0,0),n.depthMask(!0),n.depthFunc(n.LESS),o.setReversed(!1),n.clearDepth(1),n.stencilMask(4294967295),n.stencilFunc(n.ALWAYS,0,4294967295),n.stencilOp(n.KEEP,n.KEEP,n.KEEP),n.clearStencil(0),n.cullFace(n.BACK),n.frontFace(n.CCW),n.polygonOffset(0,0),n.activeTexture(n.TEXTURE0),n.bindFramebuffer(n.FRAMEBUFFER,null),n.bindFramebuffer(n.DRAW_FRAMEBUFFER,null),n.bindFramebuffer(n.READ_FRAMEBUFFER,null),n.useProgram(null),n.lineWidth(1),n.scissor(0,0,n.canvas.width,n.canvas.height),n.viewport(0,0,n.canvas.width,n.canvas.height),n.pixelStorei(n.PACK_ALIGNMENT,4),n.pixelStorei(n.UNPACK_ALIGNMENT,4),n.pixelStorei(n.UNPACK_FLIP_Y_WEBGL,!1),n.pixelStorei(n.UNPACK_PREMULTIPLY_ALPHA_WEBGL,!1),n.pixelStorei(n.UNPACK_COLORSPACE_CONVERSION_WEBGL,n.BROWSER_DEFAULT_WEBGL),n.pixelStorei(n.PACK_ROW_LENGTH,0),n.pixelStorei(n.PACK_SKIP_PIXELS,0),n.pixelStorei(n.PACK_SKIP_ROWS,0),n.pixelStorei(n.UNPACK_ROW_LENGTH,0),n.pixelStorei(n.UNPACK_IMAGE_HEIGHT,0),n.pixelStorei(n.UNPACK_SKIP_PIXELS,0),n.pixelStorei(n.UNPACK_SKIP_ROWS,0),n.pixelStorei(n.UNPACK_SKIP_IMAGES,0),u={},h={},j=null,Q={},f={},l={},d=new WeakMap,m=[],y=null,g=!1,p=null,x=null,b=null,S=null,E=null,T=null,_=null,w=new We(0,0,0),D=0,P=!1,N=null,k=null,W=null,C=null,G=null,Y.set(0,0,n.canvas.width,n.canvas.height),fe.set(0,0,n.canvas.width,n.canvas.height),r.reset(),o.reset(),a.reset()}return{buffers:{color:r,depth:o,stencil:a},enable:ge,disable:Ue,bindFramebuffer:ct,drawBuffers:Re,useProgram:Ze,setBlending:Mt,setMaterial:ft,setFlipSided:Ft,setCullFace:rt,setLineWidth:_n,setPolygonOffset:_t,setScissorTest:Jt,activeTexture:Kt,bindTexture:jt,unbindTexture:L,compressedTexImage2D:Qt,compressedTexImage3D:it,texImage2D:v,texImage3D:F,pixelStorei:K,getParameter:te,updateUBOMapping:q,uniformBlockBinding:Z,texStorage2D:Ne,texStorage3D:A,texSubImage2D:st,texSubImage3D:de,compressedTexSubImage2D:dt,compressedTexSubImage3D:Te,scissor:se,viewport:ue,reset:oe}}function qv(n,e,t,i,s,r,o){let a=e.has("WEBGL_multisampled_render_to_texture")?e.get("WEBGL_multisampled_render_to_texture"):null,l=typeof navigator>"u"?!1:/OculusBrowser/g.test(navigator.userAgent),c=new qe,u=new WeakMap,h=new Set,f,d=new WeakMap,m=new Set,y=new FinalizationRegistry(A=>m.delete(A)),g=!1;try{g=typeof OffscreenCanvas<"u"&&new OffscreenCanvas(1,1).getContext("2d")!==null}catch{}function p(A,v){return g?new OffscreenCanvas(A,v):qs("canvas")}function x(A,v,F){let te=1,K=Ne(A);if((K.width>F||K.height>F)&&(te=F/Math.max(K.width,K.height)),te<1)if(typeof HTMLImageElement<"u"&&A instanceof HTMLImageElement||typeof HTMLCanvasElement<"u"&&A instanceof HTMLCanvasElement||typeof ImageBitmap<"u"&&A instanceof ImageBitmap||typeof VideoFrame<"u"&&A instanceof VideoFrame){let se=Math.floor(te*K.width),ue=Math.floor(te*K.height);f===void 0&&(f=p(se,ue));let q=v?p(se,ue):f;return q.width=se,q.height=ue,q.getContext("2d").drawImage(A,0,0,se,ue),Ce("WebGLRenderer: Texture has been resized from ("+K.width+"x"+K.height+") to ("+se+"x"+ue+")."),q}else return"data"in A&&Ce("WebGLRenderer: Image in DataTexture is too big ("+K.width+"x"+K.height+")."),A;return A}function b(A){return A.generateMipmaps}function S(A){n.generateMipmap(A)}function E(A){return A.isWebGLCubeRenderTarget?n.TEXTURE_CUBE_MAP:A.isWebGL3DRenderTarget?n.TEXTURE_3D:A.isWebGLArrayRenderTarget||A.isCompressedArrayTexture?n.TEXTURE_2D_ARRAY:n.TEXTURE_2D}function T(A,v,F,te,K,se=!1){if(A!==null){if(n[A]!==void 0)return n[A];Ce("WebGLRenderer: Attempt to use non-existing WebGL internal format '"+A+"'")}let ue;te&&(ue=e.get("EXT_texture_norm16"),ue||Ce("WebGLRenderer: Unable to use normalized textures without EXT_texture_norm16 extension"));let q=v;if(v===n.RED&&(F===n.FLOAT&&(q=n.R32F),F===n.HALF_FLOAT&&(q=n.R16F),F===n.UNSIGNED_BYTE&&(q=n.R8),F===n.UNSIGNED_SHORT&&ue&&(q=ue.R16_EXT),F===n.SHORT&&ue&&(q=ue.R16_SNORM_EXT)),v===n.RED_INTEGER&&(F===n.UNSIGNED_BYTE&&(q=n.R8UI),F===n.UNSIGNED_SHORT&&(q=n.R16UI),F===n.UNSIGNED_INT&&(q=n.R32UI),F===n.BYTE&&(q=n.R8I),F===n.SHORT&&(q=n.R16I),F===n.INT&&(q=n.R32I)),v===n.RG&&(F===n.FLOAT&&(q=n.RG32F),F===n.HALF_FLOAT&&(q=n.RG16F),F===n.UNSIGNED_BYTE&&(q=n.RG8),F===n.UNSIGNED_SHORT&&ue&&(q=ue.RG16_EXT),F===n.SHORT&&ue&&(q=ue.RG16_SNORM_EXT)),v===n.RG_INTEGER&&(F===n.UNSIGNED_BYTE&&(q=n.RG8UI),F===n.UNSIGNED_SHORT&&(q=n.RG16UI),F===n.UNSIGNED_INT&&(q=n.RG32UI),F===n.BYTE&&(q=n.RG8I),F===n.SHORT&&(q=n.RG16I),F===n.INT&&(q=n.RG32I)),v===n.RGB_INTEGER&&(F===n.UNSIGNED_BYTE&&(q=n.RGB8UI),F===n.UNSIGNED_SHORT&&(q=n.RGB16UI),F===n.UNSIGNED_INT&&(q=n.RGB32UI),F===n.BYTE&&(q=n.RGB8I),F===n.SHORT&&(q=n.RGB16I),F===n.INT&&(q=n.RGB32I)),v===n.RGBA_INTEGER&&(F===n.UNSIGNED_BYTE&&(q=n.RGBA8UI),F===n.UNSIGNED_SHORT&&(q=n.RGBA16UI),F===n.UNSIGNED_INT&&(q=n.RGBA32UI),F===n.BYTE&&(q=n.RGBA8I),F===n.SHORT&&(q=n.RGBA16I),F===n.INT&&(q=n.RGBA32I)),v===n.RGB&&(F===n.UNSIGNED_SHORT&&ue&&(q=ue.RGB16_EXT),F===n.SHORT&&ue&&(q=ue.RGB16_SNORM_EXT),F===n.UNSIGNED_INT_5_9_9_9_REV&&(q=n.RGB9_E5),F===n.UNSIGNED_INT_10F_11F_11F_REV&&(q=n.R11F_G11F_B10F)),v===n.RGBA){let Z=se?Ws:Ve.getTransfer(K);F===n.FLOAT&&(q=n.RGBA32F),F===n.HALF_FLOAT&&(q=n.RGBA16F),F===n.UNSIGNED_BYTE&&(q=Z===Ye?n.SRGB8_ALPHA8:n.RGBA8),F===n.UNSIGNED_SHORT&&ue&&(q=ue.RGBA16_EXT),F===n.SHORT&&ue&&(q=ue.RGBA16_SNORM_EXT),F===n.UNSIGNED_SHORT_4_4_4_4&&(q=n.RGBA4),F===n.UNSIGNED_SHORT_5_5_5_1&&(q=n.RGB5_A1)}return(q===n.R16F||q===n.R32F||q===n.RG16F||q===n.RG32F||q===n.RGBA16F||q===n.RGBA32F)&&e.get("EXT_color_buffer_float"),q}function _(A,v){let F;return A?v===null||v===mn||v===Ni?F=n.DEPTH24_STENCIL8:v===Yt?F=n.DEPTH32F_STENCIL8:v===gs&&(F=n.DEPTH24_STENCIL8,Ce("DepthTexture: 16 bit depth attachment is not supported with stencil. Using 24-bit attachment.")):v===null||v===mn||v===Ni?F=n.DEPTH_COMPONENT24:v===Yt?F=n.DEPTH_COMPONENT32F:v===gs&&(F=n.DEPTH_COMPONENT16),F}function w(A,v){return b(A)===!0||A.isFramebufferTexture&&A.minFilter!==lt&&A.minFilter!==Nt?Math.log2(Math.max(v.width,v.height))+1:A.mipmaps.length>0?A.mipmaps.length:A.isCompressedTexture&&Array.isArray(A.image)?v.mipmaps.length:1}function D(A){let v=new WeakRef(A);i.get(A).__ref=v,m.add(v),y.register(A,v,v)}function P(A){let v=i.get(A).__ref;v!==void 0&&(m.delete(v),y.unregister(v))}function N(A){W(A.target)}function k(A){C(A.target)}function W(A){A.removeEventListener("dispose",N),P(A),$(A),A.isVideoTexture&&u.delete(A),A.isHTMLTexture&&h.delete(A)}function C(A){A.removeEventListener("dispose",k),P(A),ee(A)}function G(){for(let A of m){let v=A.deref();v!==void 0&&(v.isRenderTarget===!0?C(v):W(v))}m.clear(),h.clear()}function $(A){let v=i.get(A);if(v.__webglInit===void 0)return;let F=A.source,te=d.get(F);if(te){let K=te[v.__cacheKey];K.usedTimes--,K.usedTimes===0&&B(A),Object.keys(te).length===0&&d.delete(F)}i.remove(A)}function B(A){let v=i.get(A);n.deleteTexture(v.__webglTexture);let F=A.source,te=d.get(F);delete te[v.__cacheKey],o.memory.textures--}function ee(A){let v=i.get(A);v.__depthDisposeCallback&&v.__depthDisposeCallback();let F=A.depthTexture;if(F&&F.renderTarget===A&&W(F),A.isWebGLCubeRenderTarget)for(let K=0;K<6;K++){if(Array.isArray(v.__webglFramebuffer[K]))for(let se=0;se<v.__webglFramebuffer[K].length;se++)n.deleteFramebuffer(v.__webglFramebuffer[K][se]);else n.deleteFramebuffer(v.__webglFramebuffer[K]);v.__webglDepthbuffer&&n.deleteRenderbuffer(v.__webglDepthbuffer[K])}else{if(Array.isArray(v.__webglFramebuffer))for(let K=0;K<v.__webglFramebuffer.length;K++)n.deleteFramebuffer(v.__webglFramebuffer[K]);else n.deleteFramebuffer(v.__webglFramebuffer);if(v.__webglDepthbuffer&&n.deleteRenderbuffer(v.__webglDepthbuffer),v.__webglMultisampledFramebuffer&&n.deleteFramebuffer(v.__webglMultisampledFramebuffer),v.__webglColorRenderbuffer)for(let K=0;K<v.__webglColorRenderbuffer.length;K++)v.__webglColorRenderbuffer[K]&&n.deleteRenderbuffer(v.__webglColorRenderbuffer[K]);v.__webglDepthRenderbuffer&&n.deleteRenderbuffer(v.__webglDepthRenderbuffer)}let te=A.textures;for(let K=0,se=te.length;K<se;K++){let ue=i.get(te[K]);ue.__webglTexture&&(n.deleteTexture(ue.__webglTexture),o.memory.textures--),i.remove(te[K])}i.remove(A)}let H=0;function j(){H=0}function Q(){return H}function ve(A){H=A}function Pe(){let A=H;return A>=s.maxTextures&&Ce("WebGLTextures: Trying to use "+(A+1)+" texture units while this GPU supports only "+s.maxTextures),H+=1,A}function Y(A){let v=[];return v.push(A.wrapS),v.push(A.wrapT),v.push(A.wrapR||0),v.push(A.magFilter),v.push(A.minFilter),v.push(A.anisotropy),v.push(A.internalFormat),v.push(A.format),v.push(A.type),v.push(A.generateMipmaps),v.push(A.mipmapsAutoUpdate),v.push(A.premultiplyAlpha),v.push(A.flipY),v.push(A.unpackAlignment),v.push(A.colorSpace),v.join()}function fe(A,v){let F=i.get(A);if(A.isVideoTexture&&dt(A),A.isRenderTargetTexture===!1&&A.isExternalTexture!==!0&&A.version>0&&F.__version!==A.version){let te=A.image;if(te===null)Ce("WebGLRenderer: Texture marked for update but no image data found.");else if(te.complete===!1)Ce("WebGLRenderer: Texture marked for update but image is incomplete");else{ft(F,A,v);return}}else A.isExternalTexture&&(F.__webglTexture=A.sourceTexture?A.sourceTexture:null);t.bindTexture(n.TEXTURE_2D,F.__webglTexture,n.TEXTURE0+v)}function ye(A,v){let F=i.get(A);if(A.isRenderTargetTexture===!1&&A.version>0&&F.__version!==A.version){ft(F,A,v);return}else A.isExternalTexture&&(F.__webglTexture=A.sourceTexture?A.sourceTexture:null);t.bindTexture(n.TEXTURE_2D_ARRAY,F.__webglTexture,n.TEXTURE0+v)}function Ee(A,v){let F=i.get(A);if(A.isRenderTargetTexture===!1&&A.version>0&&F.__version!==A.version){ft(F,A,v);return}t.bindTexture(n.TEXTURE_3D,F.__webglTexture,n.TEXTURE0+v)}function ge(A,v){let F=i.get(A);if(A.version>0&&F.__version!==A.version){Ft(F,A,v);return}t.bindTexture(n.TEXTURE_CUBE_MAP,F.__webglTexture,n.TEXTURE0+v)}let Ue={[Bo]:n.REPEAT,[Mn]:n.CLAMP_TO_EDGE,[ko]:n.MIRRORED_REPEAT},ct={[lt]:n.NEAREST,[Ed]:n.NEAREST_MIPMAP_NEAREST,[rr]:n.NEAREST_MIPMAP_LINEAR,[Nt]:n.LINEAR,[ha]:n.LINEAR_MIPMAP_NEAREST,[Hn]:n.LINEAR_MIPMAP_LINEAR},Re={[Id]:n.NEVER,[jc]:n.ALWAYS,[Pd]:n.LESS,[Jc]:n.LEQUAL,[Ld]:n.EQUAL,[Kc]:n.GEQUAL,[Nd]:n.GREATER,[Dd]:n.NOTEQUAL};function Ze(A,v){if(v.type===Yt&&e.has("OES_texture_float_linear")===!1&&(v.magFilter===Nt||v.magFilter===ha||v.magFilter===rr||v.magFilter===Hn||v.minFilter===Nt||v.minFilter===ha||v.minFilter===rr||v.minFilter===Hn)&&Ce("WebGLRenderer: Unable to use linear filtering with floating point textures. OES_texture_float_linear not supported on this device."),n.texParameteri(A,n.TEXTURE_WRAP_S,Ue[v.wrapS]),n.texParameteri(A,n.TEXTURE_WRAP_T,Ue[v.wrapT]),(A===n.TEXTURE_3D||A===n.TEXTURE_2D_ARRAY)&&n.texParameteri(A,n.TEXTURE_WRAP_R,Ue[v.wrapR]),n.texParameteri(A,n.TEXTURE_MAG_FILTER,ct[v.magFilter]),n.texParameteri(A,n.TEXTURE_MIN_FILTER,ct[v.minFilter]),v.compareFunction&&(n.texParameteri(A,n.TEXTURE_COMPARE_MODE,n.COMPARE_REF_TO_TEXTURE),n.texParameteri(A,n.TEXTURE_COMPARE_FUNC,Re[v.compareFunction])),e.has("EXT_texture_filter_anisotropic")===!0){if(v.magFilter===lt||v.minFilter!==rr&&v.minFilter!==Hn||v.type===Yt&&e.has("OES_texture_float_linear")===!1)return;if(v.anisotropy>1||i.get(v).__currentAnisotropy){let F=e.get("EXT_texture_filter_anisotropic");n.texParameterf(A,F.TEXTURE_MAX_ANISOTROPY_EXT,Math.min(v.anisotropy,s.getMaxAnisotropy())),i.get(v).__currentAnisotropy=v.anisotropy}}}function je(A,v){let F=!1;A.__webglInit===void 0&&(A.__webglInit=!0,v.addEventListener("dispose",N),D(v));let te=v.source,K=d.get(te);K===void 0&&(K={},d.set(te,K));let se=Y(v);if(se!==A.__cacheKey){K[se]===void 0&&(K[se]={texture:n.createTexture(),usedTimes:0},o.memory.textures++,F=!0),K[se].usedTimes++;let ue=K[A.__cacheKey];ue!==void 0&&(K[A.__cacheKey].usedTimes--,ue.usedTimes===0&&B(v)),A.__cacheKey=se,A.__webglTexture=K[se].texture}return F}function ke(A,v,F){return Math.floor(Math.floor(A/F)/v)}function Mt(A,v,F,te){let se=A.updateRanges;if(se.length===0)t.texSubImage2D(n.TEXTURE_2D,0,0,0,v.width,v.height,F,te,v.data);else{se.sort((R,J)=>R.start-J.start);let ue=0;for(let R=1;R<se.length;R++){let J=se[ue],X=se[R],ae=J.start+J.count,ie=ke(X.start,v.width,4),re=ke(J.start,v.width,4);X.start<=ae+1&&ie===re&&ke(X.start+X.count-1,v.width,4)===ie?J.count=Math.max(J.count,X.start+X.count-J.start):(++ue,se[ue]=X)}se.length=ue+1;let q=t.getParameter(n.UNPACK_ROW_LENGTH),Z=t.getParameter(n.UNPACK_SKIP_PIXELS),oe=t.getParameter(n.UNPACK_SKIP_ROWS);t.pixelStorei(n.UNPACK_ROW_LENGTH,v.width);for(let R=0,J=se.length;R<J;R++){let X=se[R],ae=Math.floor(X.start/4),ie=Math.ceil(X.count/4),re=ae%v.width,we=Math.floor(ae/v.width),Oe=ie,ne=1;t.pixelStorei(n.UNPACK_SKIP_PIXELS,re),t.pixelStorei(n.UNPACK_SKIP_ROWS,we),t.texSubImage2D(n.TEXTURE_2D,0,re,we,Oe,ne,F,te,v.data)}A.clearUpdateRanges(),t.pixelStorei(n.UNPACK_ROW_LENGTH,q),t.pixelStorei(n.UNPACK_SKIP_PIXELS,Z),t.pixelStorei(n.UNPACK_SKIP_ROWS,oe)}}function ft(A,v,F){let te=n.TEXTURE_2D;(v.isDataArrayTexture||v.isCompressedArrayTexture)&&(te=n.TEXTURE_2D_ARRAY),v.isData3DTexture&&(te=n.TEXTURE_3D);let K=je(A,v),se=v.source;t.bindTexture(te,A.__webglTexture,n.TEXTURE0+F);let ue=i.get(se);if(se.version!==ue.__version||K===!0){if(t.activeTexture(n.TEXTURE0+F),(typeof ImageBitmap<"u"&&v.image instanceof ImageBitmap)===!1){let ne=Ve.getPrimaries(Ve.workingColorSpace),Ae=v.colorSpace===Xn?null:Ve.getPrimaries(v.colorSpace),Fe=v.colorSpace===Xn||ne===Ae?n.NONE:n.BROWSER_DEFAULT_WEBGL;t.pixelStorei(n.UNPACK_FLIP_Y_WEBGL,v.flipY),t.pixelStorei(n.UNPACK_PREMULTIPLY_ALPHA_WEBGL,v.premultiplyAlpha),t.pixelStorei(n.UNPACK_COLORSPACE_CONVERSION_WEBGL,Fe)}t.pixelStorei(n.UNPACK_ALIGNMENT,v.unpackAlignment);let Z=x(v.image,!1,s.maxTextureSize);Z=Te(v,Z);let oe=r.convert(v.format,v.colorSpace),R=r.convert(v.type),J=T(v.internalFormat,oe,R,v.normalized,v.colorSpace,v.isVideoTexture);Ze(te,v);let X,ae=v.mipmaps,ie=v.isVideoTexture!==!0,re=ue.__version===void 0||K===!0,we=se.dataReady,Oe=w(v,Z);if(v.isDepthTexture)J=_(v.format===Wn,v.type),re&&(ie?t.texStorage2D(n.TEXTURE_2D,1,J,Z.width,Z.height):t.texImage2D(n.TEXTURE_2D,0,J,Z.width,Z.height,0,oe,R,null));else if(v.isDataTexture)if(ae.length>0){ie&&re&&t.texStorage2D(n.TEXTURE_2D,Oe,J,ae[0].width,ae[0].height);for(let ne=0,Ae=ae.length;ne<Ae;ne++)X=ae[ne],ie?we&&t.texSubImage2D(n.TEXTURE_2D,ne,0,0,X.width,X.height,oe,R,X.data):t.texImage2D(n.TEXTURE_2D,ne,J,X.width,X.height,0,oe,R,X.data);v.generateMipmaps=!1}else ie?(re&&t.texStorage2D(n.TEXTURE_2D,Oe,J,Z.width,Z.height),we&&Mt(v,Z,oe,R)):t.texImage2D(n.TEXTURE_2D,0,J,Z.width,Z.height,0,oe,R,Z.data);else if(v.isCompressedTexture)if(v.isCompressedArrayTexture){ie&&re&&t.texStorage3D(n.TEXTURE_2D_ARRAY,Oe,J,ae[0].width,ae[0].height,Z.depth);for(let ne=0,Ae=ae.length;ne<Ae;ne++)if(X=ae[ne],v.format!==gn)if(oe!==null)if(ie){if(we)if(v.layerUpdates.size>0){let Fe=ru(X.width,X.height,v.format,v.type);for(let pe of v.layerUpdates){let Je=X.data.subarray(pe*Fe/X.data.BYTES_PER_ELEMENT,(pe+1)*Fe/X.data.BYTES_PER_ELEMENT);t.compressedTexSubImage3D(n.TEXTURE_2D_ARRAY,ne,0,0,pe,X.width,X.height,1,oe,Je)}}else t.compressedTexSubImage3D(n.TEXTURE_2D_ARRAY,ne,0,0,0,X.width,X.height,Z.depth,oe,X.data)}else t.compressedTexImage3D(n.TEXTURE_2D_ARRAY,ne,J,X.width,X.height,Z.depth,0,X.data,0,0);else Ce("WebGLRenderer: Attempt to load unsupported compressed texture format in .uploadTexture()");else ie?we&&t.texSubImage3D(n.TEXTURE_2D_ARRAY,ne,0,0,0,X.width,X.height,Z.depth,oe,R,X.data):t.texImage3D(n.TEXTURE_2D_ARRAY,ne,J,X.width,X.height,Z.depth,0,oe,R,X.data);v.layerUpdates.size>0&&v.clearLayerUpdates()}else{ie&&re&&t.texStorage2D(n.TEXTURE_2D,Oe,J,ae[0].width,ae[0].height);for(let ne=0,Ae=ae.length;ne<Ae;ne++)X=ae[ne],v.format!==gn?oe!==null?ie?we&&t.compressedTexSubImage2D(n.TEXTURE_2D,ne,0,0,X.width,X.height,oe,X.data):t.compressedTexImage2D(n.TEXTURE_2D,ne,J,X.width,X.height,0,X.data):Ce("WebGLRenderer: Attempt to load unsupported compressed texture format in .uploadTexture()"):ie?we&&t.texSubImage2D(n.TEXTURE_2D,ne,0,0,X.width,X.height,oe,R,X.data):t.texImage2D(n.TEXTURE_2D,ne,J,X.width,X.height,0,oe,R,X.data)}else if(v.isDataArrayTexture)if(ie){if(re&&t.texStorage3D(n.TEXTURE_2D_ARRAY,Oe,J,Z.width,Z.height,Z.depth),we)if(v.layerUpdates.size>0){let ne=ru(Z.width,Z.height,v.format,v.type);for(let Ae of v.layerUpdates){let Fe=Z.data.subarray(Ae*ne/Z.data.BYTES_PER_ELEMENT,(Ae+1)*ne/Z.data.BYTES_PER_ELEMENT);t.texSubImage3D(n.TEXTURE_2D_ARRAY,0,0,0,Ae,Z.width,Z.height,1,oe,R,Fe)}v.clearLayerUpdates()}else t.texSubImage3D(n.TEXTURE_2D_ARRAY,0,0,0,0,Z.width,Z.height,Z.depth,oe,R,Z.data)}else t.texImage3D(n.TEXTURE_2D_ARRAY,0,J,Z.width,Z.height,Z.depth,0,oe,R,Z.data);else if(v.isData3DTexture)ie?(re&&t.texStorage3D(n.TEXTURE_3D,Oe,J,Z.width,Z.height,Z.depth),we&&t.texSubImage3D(n.TEXTURE_3D,0,0,0,0,Z.width,Z.height,Z.depth,oe,R,Z.data)):t.texImage3D(n.TEXTURE_3D,0,J,Z.width,Z.height,Z.depth,0,oe,R,Z.data);else if(v.isFramebufferTexture){if(re)if(ie)t.texStorage2D(n.TEXTURE_2D,Oe,J,Z.width,Z.height);else{let ne=Z.width,Ae=Z.height;for(let Fe=0;Fe<Oe;Fe++)t.texImage2D(n.TEXTURE_2D,Fe,J,ne,Ae,0,oe,R,null),ne>>=1,Ae>>=1}}else if(v.isHTMLTexture){if("texElementImage2D"in n){let ne=n.canvas;if(ne.hasAttribute("layoutsubtree")||ne.setAttribute("layoutsubtree","true"),Z.parentNode!==ne){ne.appendChild(Z),h.add(v),ne.onpaint=Ae=>{let Fe=Ae.changedElements;for(let pe of h)Fe.includes(pe.image)&&(pe.needsUpdate=!0)},ne.requestPaint();return}if(n.texElementImage2D.length===3)n.texElementImage2D(n.TEXTURE_2D,n.RGBA8,Z);else{let Fe=n.RGBA,pe=n.RGBA,Je=n.UNSIGNED_BYTE;n.texElementImage2D(n.TEXTURE_2D,0,Fe,pe,Je,Z)}n.texParameteri(n.TEXTURE_2D,n.TEXTURE_MIN_FILTER,n.LINEAR),n.texParameteri(n.TEXTURE_2D,n.TEXTURE_WRAP_S,n.CLAMP_TO_EDGE),n.texParameteri(n.TEXTURE_2D,n.TEXTURE_WRAP_T,n.CLAMP_TO_EDGE)}}else if(ae.length>0){if(ie&&re){let ne=Ne(ae[0]);t.texStorage2D(n.TEXTURE_2D,Oe,J,ne.width,ne.height)}for(let ne=0,Ae=ae.length;ne<Ae;ne++)X=ae[ne],ie?we&&t.texSubImage2D(n.TEXTURE_2D,ne,0,0,oe,R,X):t.texImage2D(n.TEXTURE_2D,ne,J,oe,R,X);v.generateMipmaps=!1}else if(ie){if(re){let ne=Ne(Z);t.texStorage2D(n.TEXTURE_2D,Oe,J,ne.width,ne.height)}we&&t.texSubImage2D(n.TEXTURE_2D,0,0,0,oe,R,Z)}else t.texImage2D(n.TEXTURE_2D,0,J,oe,R,Z);b(v)&&v.mipmapsAutoUpdate===!0&&S(te),ue.__version=se.version,v.onUpdate&&v.onUpdate(v)}A.__version=v.version}function Ft(A,v,F){if(v.image.length!==6)return;let te=je(A,v),K=v.source;t.bindTexture(n.TEXTURE_CUBE_MAP,A.__webglTexture,n.TEXTURE0+F);let se=i.get(K);if(K.version!==se.__version||te===!0){t.activeTexture(n.TEXTURE0+F);let ue=Ve.getPrimaries(Ve.workingColorSpace),q=v.colorSpace===Xn?null:Ve.getPrimaries(v.colorSpace),Z=v.colorSpace===Xn||ue===q?n.NONE:n.BROWSER_DEFAULT_WEBGL;t.pixelStorei(n.UNPACK_FLIP_Y_WEBGL,v.flipY),t.pixelStorei(n.UNPACK_PREMULTIPLY_ALPHA_WEBGL,v.premultiplyAlpha),t.pixelStorei(n.UNPACK_ALIGNMENT,v.unpackAlignment),t.pixelStorei(n.UNPACK_COLORSPACE_CONVERSION_WEBGL,Z);let oe=v.isCompressedTexture||v.image[0].isCompressedTexture,R=v.image[0]&&v.image[0].isDataTexture,J=[];for(let pe=0;pe<6;pe++)!oe&&!R?J[pe]=x(v.image[pe],!0,s.maxCubemapSize):J[pe]=R?v.image[pe].image:v.image[pe],J[pe]=Te(v,J[pe]);let X=J[0],ae=r.convert(v.format,v.colorSpace),ie=r.convert(v.type),re=T(v.internalFormat,ae,ie,v.normalized,v.colorSpace),we=v.isVideoTexture!==!0,Oe=se.__version===void 0||te===!0,ne=K.dataReady,Ae=w(v,X);Ze(n.TEXTURE_CUBE_MAP,v);let Fe;if(v.isDepthTexture){if(re=_(v.format===Wn,v.type),Oe)if(we)t.texStorage2D(n.TEXTURE_CUBE_MAP,1,re,X.width,X.height);else for(let pe=0;pe<6;pe++)t.texImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,0,re,X.width,X.height,0,ae,ie,null)}else if(oe){we&&Oe&&t.texStorage2D(n.TEXTURE_CUBE_MAP,Ae,re,X.width,X.height);for(let pe=0;pe<6;pe++){Fe=J[pe].mipmaps;for(let Je=0;Je<Fe.length;Je++){let yt=Fe[Je];v.format!==gn?ae!==null?we?ne&&t.compressedTexSubImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,Je,0,0,yt.width,yt.height,ae,yt.data):t.compressedTexImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,Je,re,yt.width,yt.height,0,yt.data):Ce("WebGLRenderer: Attempt to load unsupported compressed texture format in .setTextureCube()"):we?ne&&t.texSubImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,Je,0,0,yt.width,yt.height,ae,ie,yt.data):t.texImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,Je,re,yt.width,yt.height,0,ae,ie,yt.data)}}}else{if(Fe=v.mipmaps,we&&Oe){Fe.length>0&&Ae++;let pe=Ne(J[0]);t.texStorage2D(n.TEXTURE_CUBE_MAP,Ae,re,pe.width,pe.height)}for(let pe=0;pe<6;pe++)if(R){we?ne&&t.texSubImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,0,0,0,J[pe].width,J[pe].height,ae,ie,J[pe].data):t.texImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,0,re,J[pe].width,J[pe].height,0,ae,ie,J[pe].data);for(let Je=0;Je<Fe.length;Je++){let qn=Fe[Je].image[pe].image;we?ne&&t.texSubImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,Je+1,0,0,qn.width,qn.height,ae,ie,qn.data):t.texImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,Je+1,re,qn.width,qn.height,0,ae,ie,qn.data)}}else{we?ne&&t.texSubImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,0,0,0,ae,ie,J[pe]):t.texImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,0,re,ae,ie,J[pe]);for(let Je=0;Je<Fe.length;Je++){let yt=Fe[Je];we?ne&&t.texSubImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,Je+1,0,0,ae,ie,yt.image[pe]):t.texImage2D(n.TEXTURE_CUBE_MAP_POSITIVE_X+pe,Je+1,re,ae,ie,yt.image[pe])}}}b(v)&&v.mipmapsAutoUpdate===!0&&S(n.TEXTURE_CUBE_MAP),se.__version=K.version,v.onUpdate&&v.onUpdate(v)}A.__version=v.version}function rt(A,v,F,te,K,se){let ue=r.convert(F.format,F.colorSpace),q=r.convert(F.type),Z=T(F.internalFormat,ue,q,F.normalized,F.colorSpace),oe=i.get(v),R=i.get(F);if(R.__renderTarget=v,!oe.__hasExternalTextures){let J=Math.max(1,v.width>>se),X=Math.max(1,v.height>>se);K===n.TEXTURE_3D||K===n.TEXTURE_2D_ARRAY?t.texImage3D(K,se,Z,J,X,v.depth,0,ue,q,null):t.texImage2D(K,se,Z,J,X,0,ue,q,null)}t.bindFramebuffer(n.FRAMEBUFFER,A),de(v)?a.framebufferTexture2DMultisampleEXT(n.FRAMEBUFFER,te,K,R.__webglTexture,0,st(v)):(K===n.TEXTURE_2D||K>=n.TEXTURE_CUBE_MAP_POSITIVE_X&&K<=n.TEXTURE_CUBE_MAP_NEGATIVE_Z)&&n.framebufferTexture2D(n.FRAMEBUFFER,te,K,R.__webglTexture,se),t.bindFramebuffer(n.FRAMEBUFFER,null)}function _n(A,v,F){if(n.bindRenderbuffer(n.RENDERBUFFER,A),v.depthBuffer){let te=v.depthTexture,K=te&&te.isDepthTexture?te.type:null,se=_(v.stencilBuffer,K),ue=v.stencilBuffer?n.DEPTH_STENCIL_ATTACHMENT:n.DEPTH_ATTACHMENT;de(v)?a.renderbufferStorageMultisampleEXT(n.RENDERBUFFER,st(v),se,v.width,v.height):F?n.renderbufferStorageMultisample(n.RENDERBUFFER,st(v),se,v.width,v.height):n.renderbufferStorage(n.RENDERBUFFER,se,v.width,v.height),n.framebufferRenderbuffer(n.FRAMEBUFFER,ue,n.RENDERBUFFER,A)}else{let te=v.textures;for(let K=0;K<te.length;K++){let se=te[K],ue=r.convert(se.format,se.colorSpace),q=r.convert(se.type),Z=T(se.internalFormat,ue,q,se.normalized,se.colorSpace);de(v)?a.renderbufferStorageMultisampleEXT(n.RENDERBUFFER,st(v),Z,v.width,v.height):F?n.renderbufferStorageMultisample(n.RENDERBUFFER,st(v),Z,v.width,v.height):n.renderbufferStorage(n.RENDERBUFFER,Z,v.width,v.height)}}n.bindRenderbuffer(n.RENDERBUFFER,null)}function _t(A,v,F){let te=v.isWebGLCubeRenderTarget===!0;if(t.bindFramebuffer(n.FRAMEBUFFER,A),!(v.depthTexture&&v.depthTexture.isDepthTexture))throw new Error("THREE.WebGLTextures: renderTarget.depthTexture must be an instance of THREE.DepthTexture.");let K=i.get(v.depthTexture);K.__renderTarget=v;let se=te?v.depthTexture.image[0]:v.depthTexture.image;(!K.__webglTexture||se.width!==v.width||se.height!==v.height)&&(se.width=v.width,se.height=v.height,v.depthTexture.needsUpdate=!0),te?ge(v.depthTexture,0):fe(v.depthTexture,0);let ue=K.__webglTexture,q=st(v),Z=te?n.TEXTURE_CUBE_MAP_POSITIVE_X+F:n.TEXTURE_2D,oe=v.depthTexture.format===Wn?n.DEPTH_STENCIL_ATTACHMENT:n.DEPTH_ATTACHMENT;if(v.depthTexture.format===zn)de(v)?a.framebufferTexture2DMultisampleEXT(n.FRAMEBUFFER,oe,Z,ue,0,q):n.framebufferTexture2D(n.FRAMEBUFFER,oe,Z,ue,0);else if(v.depthTexture.format===Wn)de(v)?a.framebufferTexture2DMultisampleEXT(n.FRAMEBUFFER,oe,Z,ue,0,q):n.framebufferTexture2D(n.FRAMEBUFFER,oe,Z,ue,0);else throw new Error("THREE.WebGLTextures: Unknown depthTexture format.")}function Jt(A){let v=i.get(A),F=A.isWebGLCubeRenderTarget===!0;if(v.__boundDepthTexture!==A.depthTexture){let te=A.depthTexture;if(v.__depthDisposeCallback&&v.__depthDisposeCallback(),te){let K=()=>{delete v.__boundDepthTexture,delete v.__depthDisposeCallback,te.removeEventListener("dispose",K)};te.addEventListener("dispose",K),v.__depthDisposeCallback=K}v.__boundDepthTexture=te}if(A.depthTexture&&!v.__autoAllocateDepthBuffer)if(F)for(let te=0;te<6;te++)_t(v.__webglFramebuffer[te],A,te);else A.texture.mipmaps.length>0?_t(v.__webglFramebuffer[0],A,0):_t(v.__webglFramebuffer,A,0);else if(F){v.__webglDepthbuffer=[];for(let te=0;te<6;te++)if(t.bindFramebuffer(n.FRAMEBUFFER,v.__webglFramebuffer[te]),v.__webglDepthbuffer[te]===void 0)v.__webglDepthbuffer[te]=n.createRenderbuffer(),_n(v.__webglDepthbuffer[te],A,!1);else{let K=A.stencilBuffer?n.DEPTH_STENCIL_ATTACHMENT:n.DEPTH_ATTACHMENT,se=v.__webglDepthbuffer[te];n.bindRenderbuffer(n.RENDERBUFFER,se),n.framebufferRenderbuffer(n.FRAMEBUFFER,K,n.RENDERBUFFER,se)}}else if(A.texture.mipmaps.length>0?t.bindFramebuffer(n.FRAMEBUFFER,v.__webglFramebuffer[0]):t.bindFramebuffer(n.FRAMEBUFFER,v.__webglFramebuffer),v.__webglDepthbuffer===void 0)v.__webglDepthbuffer=n.createRenderbuffer(),_n(v.__webglDepthbuffer,A,!1);else{let K=A.stencilBuffer?n.DEPTH_STENCIL_ATTACHMENT:n.DEPTH_ATTACHMENT,se=v.__webglDepthbuffer;n.bindRenderbuffer(n.RENDERBUFFER,se),n.framebufferRenderbuffer(n.FRAMEBUFFER,K,n.RENDERBUFFER,se)}t.bindFramebuffer(n.FRAMEBUFFER,null)}function Kt(A,v,F){let te=i.get(A);v!==void 0&&rt(te.__webglFramebuffer,A,A.texture,n.COLOR_ATTACHMENT0,n.TEXTURE_2D,0),F!==void 0&&Jt(A)}function jt(A){let v=A.texture,F=i.get(A),te=i.get(v);A.addEventListener("dispose",k),D(A);let K=A.textures,se=A.isWebGLCubeRenderTarget===!0,ue=K.length>1;if(ue||(te.__webglTexture===void 0&&(te.__webglTexture=n.createTexture()),te.__version=v.version,o.memory.textures++),se){F.__webglFramebuffer=[];for(let q=0;q<6;q++)if(v.mipmaps.length>0){F.__webglFramebuffer[q]=[];for(let Z=0;Z<v.mipmaps.length;Z++)F.__webglFramebuffer[q][Z]=n.createFramebuffer()}else F.__webglFramebuffer[q]=n.createFramebuffer()}else{if(v.mipmaps.length>0){F.__webglFramebuffer=[];for(let q=0;q<v.mipmaps.length;q++)F.__webglFramebuffer[q]=n.createFramebuffer()}else F.__webglFramebuffer=n.createFramebuffer();if(ue)for(let q=0,Z=K.length;q<Z;q++){let oe=i.get(K[q]);oe.__webglTexture===void 0&&(oe.__webglTexture=n.createTexture(),o.memory.textures++)}if(A.samples>0&&de(A)===!1){F.__webglMultisampledFramebuffer=n.createFramebuffer(),F.__webglColorRenderbuffer=[],t.bindFramebuffer(n.FRAMEBUFFER,F.__webglMultisampledFramebuffer);for(let q=0;q<K.length;q++){let Z=K[q];F.__webglColorRenderbuffer[q]=n.createRenderbuffer(),n.bindRenderbuffer(n.RENDERBUFFER,F.__webglColorRenderbuffer[q]);let oe=r.convert(Z.format,Z.colorSpace),R=r.convert(Z.type),J=T(Z.internalFormat,oe,R,Z.normalized,Z.colorSpace,A.isXRRenderTarget===!0),X=st(A);n.renderbufferStorageMultisample(n.RENDERBUFFER,X,J,A.width,A.height),n.framebufferRenderbuffer(n.FRAMEBUFFER,n.COLOR_ATTACHMENT0+q,n.RENDERBUFFER,F.__webglColorRenderbuffer[q])}n.bindRenderbuffer(n.RENDERBUFFER,null),A.depthBuffer&&(F.__webglDepthRenderbuffer=n.createRenderbuffer(),_n(F.__webglDepthRenderbuffer,A,!0)),t.bindFramebuffer(n.FRAMEBUFFER,null)}}if(se){t.bindTexture(n.TEXTURE_CUBE_MAP,te.__webglTexture),Ze(n.TEXTURE_CUBE_MAP,v);for(let q=0;q<6;q++)if(v.mipmaps.length>0)for(let Z=0;Z<v.mipmaps.length;Z++)rt(F.__webglFramebuffer[q][Z],A,v,n.COLOR_ATTACHMENT0,n.TEXTURE_CUBE_MAP_POSITIVE_X+q,Z);else rt(F.__webglFramebuffer[q],A,v,n.COLOR_ATTACHMENT0,n.TEXTURE_CUBE_MAP_POSITIVE_X+q,0);b(v)?S(n.TEXTURE_CUBE_MAP):v.mipmaps.length>0&&n.texParameteri(n.TEXTURE_CUBE_MAP,n.TEXTURE_MAX_LEVEL,v.mipmaps.length-1),t.unbindTexture()}else if(ue){for(let q=0,Z=K.length;q<Z;q++){let oe=K[q],R=i.get(oe),J=n.TEXTURE_2D;(A.isWebGL3DRenderTarget||A.isWebGLArrayRenderTarget)&&(J=A.isWebGL3DRenderTarget?n.TEXTURE_3D:n.TEXTURE_2D_ARRAY),t.bindTexture(J,R.__webglTexture),Ze(J,oe),rt(F.__webglFramebuffer,A,oe,n.COLOR_ATTACHMENT0+q,J,0),b(oe)&&S(J)}t.unbindTexture()}else{let q=n.TEXTURE_2D;if((A.isWebGL3DRenderTarget||A.isWebGLArrayRenderTarget)&&(q=A.isWebGL3DRenderTarget?n.TEXTURE_3D:n.TEXTURE_2D_ARRAY),t.bindTexture(q,te.__webglTexture),Ze(q,v),v.mipmaps.length>0)for(let Z=0;Z<v.mipmaps.length;Z++)rt(F.__webglFramebuffer[Z],A,v,n.COLOR_ATTACHMENT0,q,Z);else rt(F.__webglFramebuffer,A,v,n.COLOR_ATTACHMENT0,q,0);b(v)?S(q):v.mipmaps.length>0&&n.texParameteri(q,n.TEXTURE_MAX_LEVEL,v.mipmaps.length-1),t.unbindTexture()}A.depthBuffer&&Jt(A)}function L(A){let v=A.textures;for(let F=0,te=v.length;F<te;F++){let K=v[F];if(b(K)&&K.mipmapsAutoUpdate===!0){let se=E(A),ue=i.get(K).__webglTexture;t.bindTexture(se,ue),S(se),t.unbindTexture()}}}let Qt=[];function it(A){if(A.samples>0){if(de(A)===!1){let v=A.textures,F=A.width,te=A.height,K=n.COLOR_BUFFER_BIT,se=A.stencilBuffer?n.DEPTH_STENCIL_ATTACHMENT:n.DEPTH_ATTACHMENT,ue=i.get(A),q=v.length>1;if(q)for(let oe=0;oe<v.length;oe++)t.bindFramebuffer(n.FRAMEBUFFER,ue.__webglMultisampledFramebuffer),n.framebufferRenderbuffer(n.FRAMEBUFFER,n.COLOR_ATTACHMENT0+oe,n.RENDERBUFFER,null),t.bindFramebuffer(n.FRAMEBUFFER,ue.__webglFramebuffer),n.framebufferTexture2D(n.DRAW_FRAMEBUFFER,n.COLOR_ATTACHMENT0+oe,n.TEXTURE_2D,null,0);t.bindFramebuffer(n.READ_FRAMEBUFFER,ue.__webglMultisampledFramebuffer),A.texture.mipmaps.length>0?t.bindFramebuffer(n.DRAW_FRAMEBUFFER,ue.__webglFramebuffer[0]):t.bindFramebuffer(n.DRAW_FRAMEBUFFER,ue.__webglFramebuffer);for(let oe=0;oe<v.length;oe++){if(A.resolveDepthBuffer&&(A.depthBuffer&&(K|=n.DEPTH_BUFFER_BIT),A.stencilBuffer&&A.resolveStencilBuffer&&(K|=n.STENCIL_BUFFER_BIT)),q){n.framebufferRenderbuffer(n.READ_FRAMEBUFFER,n.COLOR_ATTACHMENT0,n.RENDERBUFFER,ue.__webglColorRenderbuffer[oe]);let R=i.get(v[oe]).__webglTexture;n.framebufferTexture2D(n.DRAW_FRAMEBUFFER,n.COLOR_ATTACHMENT0,n.TEXTURE_2D,R,0)}n.blitFramebuffer(0,0,F,te,0,0,F,te,K,n.NEAREST),l===!0&&(Qt.length=0,Qt.push(n.COLOR_ATTACHMENT0+oe),A.depthBuffer&&A.storeMultisampledDepthBuffer===!1&&Qt.push(se),n.invalidateFramebuffer(n.READ_FRAMEBUFFER,Qt))}if(t.bindFramebuffer(n.READ_FRAMEBUFFER,null),t.bindFramebuffer(n.DRAW_FRAMEBUFFER,null),q)for(let oe=0;oe<v.length;oe++){t.bindFramebuffer(n.FRAMEBUFFER,ue.__webglMultisampledFramebuffer),n.framebufferRenderbuffer(n.FRAMEBUFFER,n.COLOR_ATTACHMENT0+oe,n.RENDERBUFFER,ue.__webglColorRenderbuffer[oe]);let R=i.get(v[oe]).__webglTexture;t.bindFramebuffer(n.FRAMEBUFFER,ue.__webglFramebuffer),n.framebufferTexture2D(n.DRAW_FRAMEBUFFER,n.COLOR_ATTACHMENT0+oe,n.TEXTURE_2D,R,0)}t.bindFramebuffer(n.DRAW_FRAMEBUFFER,ue.__webglMultisampledFramebuffer)}else if(A.depthBuffer&&A.storeMultisampledDepthBuffer===!1&&l){let v=A.stencilBuffer?n.DEPTH_STENCIL_ATTACHMENT:n.DEPTH_ATTACHMENT;n.invalidateFramebuffer(n.DRAW_FRAMEBUFFER,[v])}}}function st(A){return Math.min(s.maxSamples,A.samples)}function de(A){let v=i.get(A);return A.samples>0&&e.has("WEBGL_multisampled_render_to_texture")===!0&&v.__useRenderToTexture!==!1}function dt(A){let v=o.render.frame;u.get(A)!==v&&(u.set(A,v),A.update())}function Te(A,v){let F=A.colorSpace,te=A.format,K=A.type;return A.isCompressedTexture===!0||A.isVideoTexture===!0||F!==Hs&&F!==Xn&&(Ve.getTransfer(F)===Ye?(te!==gn||K!==$t)&&Ce("WebGLTextures: sRGB encoded textures have to use RGBAFormat and UnsignedByteType."):Ie("WebGLTextures: Unsupported texture color space:",F)),v}function Ne(A){return typeof HTMLImageElement<"u"&&A instanceof HTMLImageElement?(c.width=A.naturalWidth||A.width,c.height=A.naturalHeight||A.height):typeof VideoFrame<"u"&&A instanceof VideoFrame?(c.width=A.displayWidth,c.height=A.displayHeight):(c.width=A.width,c.height=A.height),c}this.allocateTextureUnit=Pe,this.resetTextureUnits=j,this.getTextureUnits=Q,this.setTextureUnits=ve,this.setTexture2D=fe,this.setTexture2DArray=ye,this.setTexture3D=Ee,this.setTextureCube=ge,this.rebindTextures=Kt,this.setupRenderTarget=jt,this.updateRenderTargetMipmap=L,this.updateMultisampleRenderTarget=it,this.setupDepthRenderbuffer=Jt,this.setupFrameBufferTexture=rt,this.useMultisampledRTT=de,this.dispose=G}function $v(n,e){function t(i,s=Xn){let r,o=Ve.getTransfer(s);if(i===$t)return n.UNSIGNED_BYTE;if(i===da)return n.UNSIGNED_SHORT_4_4_4_4;if(i===pa)return n.UNSIGNED_SHORT_5_5_5_1;if(i===Xc)return n.UNSIGNED_INT_5_9_9_9_REV;if(i===qc)return n.UNSIGNED_INT_10F_11F_11F_REV;if(i===Hc)return n.BYTE;if(i===Wc)return n.SHORT;if(i===gs)return n.UNSIGNED_SHORT;if(i===fa)return n.INT;if(i===mn)return n.UNSIGNED_INT;if(i===Yt)return n.FLOAT;if(i===Zt)return n.HALF_FLOAT;if(i===$c)return n.ALPHA;if(i===Yc)return n.RGB;if(i===gn)return n.RGBA;if(i===zn)return n.DEPTH_COMPONENT;if(i===Wn)return n.DEPTH_STENCIL;if(i===or)return n.RED;if(i===ma)return n.RED_INTEGER;if(i===ui)return n.RG;if(i===ga)return n.RG_INTEGER;if(i===_a)return n.RGBA_INTEGER;if(i===ar||i===lr||i===cr||i===ur)if(o===Ye)if(r=e.get("WEBGL_compressed_texture_s3tc_srgb"),r!==null){if(i===ar)return r.COMPRESSED_SRGB_S3TC_DXT1_EXT;if(i===lr)return r.COMPRESSED_SRGB_ALPHA_S3TC_DXT1_EXT;if(i===cr)return r.COMPRESSED_SRGB_ALPHA_S3TC_DXT3_EXT;if(i===ur)return r.COMPRESSED_SRGB_ALPHA_S3TC_DXT5_EXT}else return null;else if(r=e.get("WEBGL_compressed_texture_s3tc"),r!==null){if(i===ar)return r.COMPRESSED_RGB_S3TC_DXT1_EXT;if(i===lr)return r.COMPRESSED_RGBA_S3TC_DXT1_EXT;if(i===cr)return r.COMPRESSED_RGBA_S3TC_DXT3_EXT;if(i===ur)return r.COMPRESSED_RGBA_S3TC_DXT5_EXT}else return null;if(i===ya||i===xa||i===va||i===Ma)if(r=e.get("WEBGL_compressed_texture_pvrtc"),r!==null){if(i===ya)return r.COMPRESSED_RGB_PVRTC_4BPPV1_IMG;if(i===xa)return r.COMPRESSED_RGB_PVRTC_2BPPV1_IMG;if(i===va)return r.COMPRESSED_RGBA_PVRTC_4BPPV1_IMG;if(i===Ma)return r.COMPRESSED_RGBA_PVRTC_2BPPV1_IMG}else return null;if(i===Sa||i===ba||i===wa||i===Aa||i===Ea||i===hr||i===Ta)if(r=e.get("WEBGL_compressed_texture_etc"),r!==null){if(i===Sa||i===ba)return o===Ye?r.COMPRESSED_SRGB8_ETC2:r.COMPRESSED_RGB8_ETC2;if(i===wa)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ETC2_EAC:r.COMPRESSED_RGBA8_ETC2_EAC;if(i===Aa)return r.COMPRESSED_R11_EAC;if(i===Ea)return r.COMPRESSED_SIGNED_R11_EAC;if(i===hr)return r.COMPRESSED_RG11_EAC;if(i===Ta)return r.COMPRESSED_SIGNED_RG11_EAC}else return null;if(i===Ra||i===Ca||i===Ia||i===Pa||i===La||i===Na||i===Da||i===Ua||i===Fa||i===Oa||i===Ba||i===ka||i===za||i===Ga)if(r=e.get("WEBGL_compressed_texture_astc"),r!==null){if(i===Ra)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_4x4_KHR:r.COMPRESSED_RGBA_ASTC_4x4_KHR;if(i===Ca)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_5x4_KHR:r.COMPRESSED_RGBA_ASTC_5x4_KHR;if(i===Ia)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_5x5_KHR:r.COMPRESSED_RGBA_ASTC_5x5_KHR;if(i===Pa)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_6x5_KHR:r.COMPRESSED_RGBA_ASTC_6x5_KHR;if(i===La)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_6x6_KHR:r.COMPRESSED_RGBA_ASTC_6x6_KHR;if(i===Na)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_8x5_KHR:r.COMPRESSED_RGBA_ASTC_8x5_KHR;if(i===Da)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_8x6_KHR:r.COMPRESSED_RGBA_ASTC_8x6_KHR;if(i===Ua)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_8x8_KHR:r.COMPRESSED_RGBA_ASTC_8x8_KHR;if(i===Fa)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_10x5_KHR:r.COMPRESSED_RGBA_ASTC_10x5_KHR;if(i===Oa)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_10x6_KHR:r.COMPRESSED_RGBA_ASTC_10x6_KHR;if(i===Ba)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_10x8_KHR:r.COMPRESSED_RGBA_ASTC_10x8_KHR;if(i===ka)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_10x10_KHR:r.COMPRESSED_RGBA_ASTC_10x10_KHR;if(i===za)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_12x10_KHR:r.COMPRESSED_RGBA_ASTC_12x10_KHR;if(i===Ga)return o===Ye?r.COMPRESSED_SRGB8_ALPHA8_ASTC_12x12_KHR:r.COMPRESSED_RGBA_ASTC_12x12_KHR}else return null;if(i===Va||i===Ha||i===Wa)if(r=e.get("EXT_texture_compression_bptc"),r!==null){if(i===Va)return o===Ye?r.COMPRESSED_SRGB_ALPHA_BPTC_UNORM_EXT:r.COMPRESSED_RGBA_BPTC_UNORM_EXT;if(i===Ha)return r.COMPRESSED_RGB_BPTC_SIGNED_FLOAT_EXT;if(i===Wa)return r.COMPRESSED_RGB_BPTC_UNSIGNED_FLOAT_EXT}else return null;if(i===Xa||i===qa||i===fr||i===$a)if(r=e.get("EXT_texture_compression_rgtc"),r!==null){if(i===Xa)return r.COMPRESSED_RED_RGTC1_EXT;if(i===qa)return r.COMPRESSED_SIGNED_RED_RGTC1_EXT;if(i===fr)return r.COMPRESSED_RED_GREEN_RGTC2_EXT;if(i===$a)return r.COMPRESSED_SIGNED_RED_GREEN_RGTC2_EXT}else return null;return i===Ni?n.UNSIGNED_INT_24_8:n[i]!==void 0?n[i]:null}return{convert:t}}var Yv=`
void main() {

	gl_Position = vec4( position, 1.0 );

}`,Zv=`
uniform sampler2DArray depthColor;
uniform float depthWidth;
uniform float depthHeight;

void main() {

	vec2 coord = vec2( gl_FragCoord.x / depthWidth, gl_FragCoord.y / depthHeight );

	if ( coord.x >= 1.0 ) {

		gl_FragDepth = texture( depthColor, vec3( coord.x - 1.0, coord.y, 1 ) ).r;

	} else {

		gl_FragDepth = texture( depthColor, vec3( coord.x, coord.y, 0 ) ).r;

	}

}`,pu=class{constructor(){this.texture=null,this.mesh=null,this.depthNear=0,this.depthFar=0}init(e,t){if(this.texture===null){let i=new er(e.texture);(e.depthNear!==t.depthNear||e.depthFar!==t.depthFar)&&(this.depthNear=e.depthNear,this.depthFar=e.depthFar),this.texture=i}}getMesh(e){if(this.texture!==null&&this.mesh===null){let t=e.cameras[0].viewport,i=new on({vertexShader:Yv,fragmentShader:Zv,uniforms:{depthColor:{value:this.texture},depthWidth:{value:t.z},depthHeight:{value:t.w}}});this.mesh=new rn(new Ci(20,20),i)}return this.mesh}reset(){this.texture=null,this.mesh=null}getDepthTexture(){return this.texture}},mu=class extends Sn{constructor(e,t){super();let i=this,s=null,r=1,o=null,a="local-floor",l=1,c=null,u=null,h=null,f=null,d=null,m=null,y=typeof XRWebGLBinding<"u",g=new pu,p={},x=t.getContextAttributes(),b=null,S=null,E=[],T=[],_=new qe,w=null,D=null,P=new Xt;P.viewport=new at;let N=new Xt;N.viewport=new at;let k=[P,N],W=new aa,C=null,G=null;this.cameraAutoUpdate=!0,this.enabled=!1,this.isPresenting=!1,this.getController=function(Y){let fe=E[Y];return fe===void 0&&(fe=new as,E[Y]=fe),fe.getTargetRaySpace()},this.getControllerGrip=function(Y){let fe=E[Y];return fe===void 0&&(fe=new as,E[Y]=fe),fe.getGripSpace()},this.getHand=function(Y){let fe=E[Y];return fe===void 0&&(fe=new as,E[Y]=fe),fe.getHandSpace()};function $(Y){let fe=T.indexOf(Y.inputSource);if(fe===-1)return;let ye=E[fe];ye!==void 0&&(ye.update(Y.inputSource,Y.frame,c||o),ye.dispatchEvent({type:Y.type,data:Y.inputSource}))}function B(){s.removeEventListener("select",$),s.removeEventListener("selectstart",$),s.removeEventListener("selectend",$),s.removeEventListener("squeeze",$),s.removeEventListener("squeezestart",$),s.removeEventListener("squeezeend",$),s.removeEventListener("end",B),s.removeEventListener("inputsourceschange",ee);for(let Y=0;Y<E.length;Y++){let fe=T[Y];fe!==null&&(T[Y]=null,E[Y].disconnect(fe))}C=null,G=null,g.reset();for(let Y in p)delete p[Y];if(e.setRenderTarget(b),d=null,f=null,h=null,s=null,S=null,Pe.stop(),i.isPresenting=!1,e.setPixelRatio(w),e.setSize(_.width,_.height,!1),D!==null){let Y=D.camera;Y.fov=D.fov,Y.zoom=D.zoom,Y.updateProjectionMatrix(),D=null}i.dispatchEvent({type:"sessionend"})}this.setFramebufferScaleFactor=function(Y){r=Y,i.isPresenting===!0&&Ce("WebXRManager: Cannot change framebuffer scale while presenting.")},this.setReferenceSpaceType=function(Y){a=Y,i.isPresenting===!0&&Ce("WebXRManager: Cannot change reference space type while presenting.")},this.getReferenceSpace=function(){return c||o},this.setReferenceSpace=function(Y){c=Y},this.getBaseLayer=function(){return f!==null?f:d},this.getBinding=function(){return h===null&&y&&(h=new XRWebGLBinding(s,t)),h},this.getFrame=function(){return m},this.getSession=function(){return s},this.setSession=async function(Y){if(s=Y,s!==null){if(b=e.getRenderTarget(),s.addEventListener("select",$),s.addEventListener("selectstart",$),s.addEventListener("selectend",$),s.addEventListener("squeeze",$),s.addEventListener("squeezestart",$),s.addEventListener("squeezeend",$),s.addEventListener("end",B),s.addEventListener("inputsourceschange",ee),x.xrCompatible!==!0&&await t.makeXRCompatible(),w=e.getPixelRatio(),e.getSize(_),y&&"createProjectionLayer"in XRWebGLBinding.prototype){let ye=null,Ee=null,ge=null;x.depth&&(ge=x.stencil?t.DEPTH24_STENCIL8:t.DEPTH_COMPONENT24,ye=x.stencil?Wn:zn,Ee=x.stencil?Ni:mn);let Ue={colorFormat:t.RGBA8,depthFormat:ge,scaleFactor:r};h=this.getBinding(),f=h.createProjectionLayer(Ue),s.updateRenderState({layers:[f]}),e.setPixelRatio(1),e.setSize(f.textureWidth,f.textureHeight,!1),S=new Dt(f.textureWidth,f.textureHeight,{format:gn,type:$t,depthTexture:new Gn(f.textureWidth,f.textureHeight,Ee,void 0,void 0,void 0,void 0,void 0,void 0,ye),stencilBuffer:x.stencil,colorSpace:e.outputColorSpace,samples:x.antialias?4:0,resolveDepthBuffer:f.ignoreDepthValues===!1,resolveStencilBuffer:f.ignoreDepthValues===!1,storeMultisampledDepthBuffer:f.ignoreDepthValues===!1,storeMultisampledStencilBuffer:f.ignoreDepthValues===!1})}else{let ye={antialias:x.antialias,alpha:!0,depth:x.depth,stencil:x.stencil,framebufferScaleFactor:r};d=new XRWebGLLayer(s,t,ye),s.updateRenderState({baseLayer:d}),e.setPixelRatio(1),e.setSize(d.framebufferWidth,d.framebufferHeight,!1),S=new Dt(d.framebufferWidth,d.framebufferHeight,{format:gn,type:$t,colorSpace:e.outputColorSpace,stencilBuffer:x.stencil,resolveDepthBuffer:d.ignoreDepthValues===!1,resolveStencilBuffer:d.ignoreDepthValues===!1,storeMultisampledDepthBuffer:d.ignoreDepthValues===!1,storeMultisampledStencilBuffer:d.ignoreDepthValues===!1})}S.isXRRenderTarget=!0,this.setFoveation(l),c=null,o=await s.requestReferenceSpace(a),Pe.setContext(s),Pe.start(),i.isPresenting=!0,i.dispatchEvent({type:"sessionstart"})}},this.getEnvironmentBlendMode=function(){if(s!==null)return s.environmentBlendMode},this.getDepthTexture=function(){return g.getDepthTexture()};function ee(Y){for(let fe=0;fe<Y.removed.length;fe++){let ye=Y.removed[fe],Ee=T.indexOf(ye);Ee>=0&&(T[Ee]=null,E[Ee].disconnect(ye))}for(let fe=0;fe<Y.added.length;fe++){let ye=Y.added[fe],Ee=T.indexOf(ye);if(Ee===-1){for(let Ue=0;Ue<E.length;Ue++)if(Ue>=T.length){T.push(ye),Ee=Ue;break}else if(T[Ue]===null){T[Ue]=ye,Ee=Ue;break}if(Ee===-1)break}let ge=E[Ee];ge&&ge.connect(ye)}}function H(Y,fe){fe===null?Y.matrixWorld.copy(Y.matrix):Y.matrixWorld.multiplyMatrices(fe.matrixWorld,Y.matrix),Y.matrixWorldInverse.copy(Y.matrixWorld).invert()}this.updateCamera=function(Y){if(s===null)return;let fe=Y.near,ye=Y.far;g.texture!==null&&(g.depthNear>0&&(fe=g.depthNear),g.depthFar>0&&(ye=g.depthFar)),W.near=N.near=P.near=fe,W.far=N.far=P.far=ye,(C!==W.near||G!==W.far)&&(s.updateRenderState({depthNear:W.near,depthFar:W.far}),C=W.near,G=W.far),W.layers.mask=Y.layers.mask|6,P.layers.mask=W.layers.mask&-5,N.layers.mask=W.layers.mask&-3;let Ee=Y.parent,ge=W.cameras;H(W,Ee);for(let Ue=0;Ue<ge.length;Ue++)H(ge[Ue],Ee);W.projectionMatrix.copy(P.projectionMatrix),W.projectionMatrixInverse.copy(P.projectionMatrixInverse),D===null&&Y.isPerspectiveCamera&&(D={camera:Y,fov:Y.fov,zoom:Y.zoom}),j(Y,W,Ee)};function j(Y,fe,ye){ye===null?Y.matrix.copy(fe.matrixWorld):(Y.matrix.copy(ye.matrixWorld),Y.matrix.invert(),Y.matrix.multiply(fe.matrixWorld)),Y.matrix.decompose(Y.position,Y.quaternion,Y.scale),Y.updateMatrixWorld(!0),Y.projectionMatrix.copy(fe.projectionMatrix),Y.projectionMatrixInverse.copy(fe.projectionMatrixInverse),Y.isPerspectiveCamera&&(Y.fov=Go*2*Math.atan(1/Y.projectionMatrix.elements[5]),Y.zoom=1)}this.getCamera=function(){return W},this.getFoveation=function(){if(!(f===null&&d===null))return l},this.setFoveation=function(Y){l=Y,f!==null&&(f.fixedFoveation=Y),d!==null&&d.fixedFoveation!==void 0&&(d.fixedFoveation=Y)},this.hasDepthSensing=function(){return g.texture!==null},this.getDepthSensingMesh=function(){return g.getMesh(W)},this.getCameraTexture=function(Y){return p[Y]};let Q=null;function ve(Y,fe){if(u=fe.getViewerPose(c||o),m=fe,u!==null){let ye=u.views;d!==null&&(e.setRenderTargetFramebuffer(S,d.framebuffer),e.setRenderTarget(S));let Ee=!1;ye.length!==W.cameras.length&&(W.cameras.length=0,Ee=!0);for(let Re=0;Re<ye.length;Re++){let Ze=ye[Re],je=null;if(d!==null)je=d.getViewport(Ze);else{let Mt=h.getViewSubImage(f,Ze);je=Mt.viewport,Re===0&&(e.setRenderTargetTextures(S,Mt.colorTexture,Mt.depthStencilTexture),e.setRenderTarget(S))}let ke=k[Re];ke===void 0&&(ke=new Xt,ke.layers.enable(Re),ke.viewport=new at,k[Re]=ke),ke.matrix.fromArray(Ze.transform.matrix),ke.matrix.decompose(ke.position,ke.quaternion,ke.scale),ke.projectionMatrix.fromArray(Ze.projectionMatrix),ke.projectionMatrixInverse.copy(ke.projectionMatrix).invert(),ke.viewport.set(je.x,je.y,je.width,je.height),Re===0&&(W.matrix.copy(ke.matrix),W.matrix.decompose(W.position,W.quaternion,W.scale)),Ee===!0&&W.cameras.push(ke)}let ge=s.enabledFeatures;if(ge&&ge.includes("depth-sensing")&&s.depthUsage=="gpu-optimized"&&y){h=i.getBinding();let Re=h.getDepthInformation(ye[0]);Re&&Re.isValid&&Re.texture&&g.init(Re,s.renderState)}if(ge&&ge.includes("camera-access")&&y){e.state.unbindTexture(),h=i.getBinding();for(let Re=0;Re<ye.length;Re++){let Ze=ye[Re].camera;if(Ze){let je=p[Ze];je||(je=new er,p[Ze]=je);let ke=h.getCameraImage(Ze);je.sourceTexture=ke}}}}for(let ye=0;ye<E.length;ye++){let Ee=T[ye],ge=E[ye];Ee!==null&&ge!==void 0&&ge.update(Ee,fe,c||o)}Q&&Q(Y,fe),fe.detectedPlanes&&i.dispatchEvent({type:"planesdetected",data:fe}),m=null}let Pe=new fp;Pe.setAnimationLoop(ve),this.setAnimationLoop=function(Y){Q=Y},this.dispose=function(){}}},Jv=new nt,Sp=new Le;Sp.set(-1,0,0,0,1,0,0,0,1);function Kv(n,e){function t(g,p){g.matrixAutoUpdate===!0&&g.updateMatrix(),p.value.copy(g.matrix)}function i(g,p){p.color.getRGB(g.fogColor.value,nu(n)),p.isFog?(g.fogNear.value=p.near,g.fogFar.value=p.far):p.isFogExp2&&(g.fogDensity.value=p.density)}function s(g,p,x,b,S){p.isNodeMaterial?p.uniformsNeedUpdate=!1:p.isMeshBasicMaterial?r(g,p):p.isMeshLambertMaterial?(r(g,p),p.envMap&&(g.envMapIntensity.value=p.envMapIntensity)):p.isMeshToonMaterial?(r(g,p),h(g,p)):p.isMeshPhongMaterial?(r(g,p),u(g,p),p.envMap&&(g.envMapIntensity.value=p.envMapIntensity)):p.isMeshStandardMaterial?(r(g,p),f(g,p),p.isMeshPhysicalMaterial&&d(g,p,S)):p.isMeshMatcapMaterial?(r(g,p),m(g,p)):p.isMeshDepthMaterial?r(g,p):p.isMeshDistanceMaterial?(r(g,p),y(g,p)):p.isMeshNormalMaterial?r(g,p):p.isLineBasicMaterial?(o(g,p),p.isLineDashedMaterial&&a(g,p)):p.isPointsMaterial?l(g,p,x,b):p.isSpriteMaterial?c(g,p):p.isShadowMaterial?(g.color.value.copy(p.color),g.opacity.value=p.opacity):p.isShaderMaterial&&(p.uniformsNeedUpdate=!1)}function r(g,p){g.opacity.value=p.opacity,p.color&&g.diffuse.value.copy(p.color),p.emissive&&g.emissive.value.copy(p.emissive).multiplyScalar(p.emissiveIntensity),p.map&&(g.map.value=p.map,t(p.map,g.mapTransform)),p.alphaMap&&(g.alphaMap.value=p.alphaMap,t(p.alphaMap,g.alphaMapTransform)),p.bumpMap&&(g.bumpMap.value=p.bumpMap,t(p.bumpMap,g.bumpMapTransform),g.bumpScale.value=p.bumpScale,p.side===Ut&&(g.bumpScale.value*=-1)),p.normalMap&&(g.normalMap.value=p.normalMap,t(p.normalMap,g.normalMapTransform),g.normalScale.value.copy(p.normalScale),p.side===Ut&&g.normalScale.value.negate()),p.displacementMap&&(g.displacementMap.value=p.displacementMap,t(p.displacementMap,g.displacementMapTransform),g.displacementScale.value=p.displacementScale,g.displacementBias.value=p.displacementBias),p.emissiveMap&&(g.emissiveMap.value=p.emissiveMap,t(p.emissiveMap,g.emissiveMapTransform)),p.specularMap&&(g.specularMap.value=p.specularMap,t(p.specularMap,g.specularMapTransform)),p.alphaTest>0&&(g.alphaTest.value=p.alphaTest);let x=e.get(p),b=x.envMap,S=x.envMapRotation;b&&(g.envMap.value=b,g.envMapRotation.value.setFromMatrix4(Jv.makeRotationFromEuler(S)).transpose(),b.isCubeTexture&&b.isRenderTargetTexture===!1&&g.envMapRotation.value.premultiply(Sp),g.reflectivity.value=p.reflectivity,g.ior.value=p.ior,g.refractionRatio.value=p.refractionRatio),p.lightMap&&(g.lightMap.value=p.lightMap,g.lightMapIntensity.value=p.lightMapIntensity,t(p.lightMap,g.lightMapTransform)),p.aoMap&&(g.aoMap.value=p.aoMap,g.aoMapIntensity.value=p.aoMapIntensity,t(p.aoMap,g.aoMapTransform))}function o(g,p){g.diffuse.value.copy(p.color),g.opacity.value=p.opacity,p.map&&(g.map.value=p.map,t(p.map,g.mapTransform))}function a(g,p){g.dashSize.value=p.dashSize,g.totalSize.value=p.dashSize+p.gapSize,g.scale.value=p.scale}function l(g,p,x,b){g.diffuse.value.copy(p.color),g.opacity.value=p.opacity,g.size.value=p.size*x,g.scale.value=b*.5,p.map&&(g.map.value=p.map,t(p.map,g.uvTransform)),p.alphaMap&&(g.alphaMap.value=p.alphaMap,t(p.alphaMap,g.alphaMapTransform)),p.alphaTest>0&&(g.alphaTest.value=p.alphaTest)}function c(g,p){g.diffuse.value.copy(p.color),g.opacity.value=p.opacity,g.rotation.value=p.rotation,p.map&&(g.map.value=p.map,t(p.map,g.mapTransform)),p.alphaMap&&(g.alphaMap.value=p.alphaMap,t(p.alphaMap,g.alphaMapTransform)),p.alphaTest>0&&(g.alphaTest.value=p.alphaTest)}function u(g,p){g.specular.value.copy(p.specular),g.shininess.value=Math.max(p.shininess,1e-4)}function h(g,p){p.gradientMap&&(g.gradientMap.value=p.gradientMap)}function f(g,p){g.metalness.value=p.metalness,p.metalnessMap&&(g.metalnessMap.value=p.metalnessMap,t(p.metalnessMap,g.metalnessMapTransform)),g.roughness.value=p.roughness,p.roughnessMap&&(g.roughnessMap.value=p.roughnessMap,t(p.roughnessMap,g.roughnessMapTransform)),p.envMap&&(g.envMapIntensity.value=p.envMapIntensity)}function d(g,p,x){g.ior.value=p.ior,p.diffuseRoughness>0&&(g.diffuseRoughness.value=p.diffuseRoughness,p.diffuseRoughnessMap&&(g.diffuseRoughnessMap.value=p.diffuseRoughnessMap,t(p.diffuseRoughnessMap,g.diffuseRoughnessMapTransform))),p.sheen>0&&(g.sheenColor.value.copy(p.sheenColor).multiplyScalar(p.sheen),g.sheenRoughness.value=p.sheenRoughness,p.sheenColorMap&&(g.sheenColorMap.value=p.sheenColorMap,t(p.sheenColorMap,g.sheenColorMapTransform)),p.sheenRoughnessMap&&(g.sheenRoughnessMap.value=p.sheenRoughnessMap,t(p.sheenRoughnessMap,g.sheenRoughnessMapTransform))),p.clearcoat>0&&(g.clearcoat.value=p.clearcoat,g.clearcoatRoughness.value=p.clearcoatRoughness,p.clearcoatMap&&(g.clearcoatMap.value=p.clearcoatMap,t(p.clearcoatMap,g.clearcoatMapTransform)),p.clearcoatRoughnessMap&&(g.clearcoatRoughnessMap.value=p.clearcoatRoughnessMap,t(p.clearcoatRoughnessMap,g.clearcoatRoughnessMapTransform)),p.clearcoatNormalMap&&(g.clearcoatNormalMap.value=p.clearcoatNormalMap,t(p.clearcoatNormalMap,g.clearcoatNormalMapTransform),g.clearcoatNormalScale.value.copy(p.clearcoatNormalScale),p.side===Ut&&g.clearcoatNormalScale.value.negate())),p.dispersion>0&&(g.dispersion.value=p.dispersion),p.retroreflectivity>0&&(g.retroreflectivity.value=p.retroreflectivity),p.iridescence>0&&(g.iridescence.value=p.iridescence,g.iridescenceIOR.value=p.iridescenceIOR,g.iridescenceThicknessMinimum.value=p.iridescenceThicknessMinimum,g.iridescenceThicknessMaximum.value=p.iridescenceThicknessMaximum,p.iridescenceMap&&(g.iridescenceMap.value=p.iridescenceMap,t(p.iridescenceMap,g.iridescenceMapTransform)),p.iridescenceThicknessMap&&(g.iridescenceThicknessMap.value=p.iridescenceThicknessMap,t(p.iridescenceThicknessMap,g.iridescenceThicknessMapTransform))),p.transmission>0&&(g.transmission.value=p.transmission,g.transmissionSamplerMap.value=x.texture,g.transmissionSamplerSize.value.set(x.width,x.height),p.transmissionMap&&(g.transmissionMap.value=p.transmissionMap,t(p.transmissionMap,g.transmissionMapTransform)),g.thickness.value=p.thickness,p.thicknessMap&&(g.thicknessMap.value=p.thicknessMap,t(p.thicknessMap,g.thicknessMapTransform)),g.attenuationDistance.value=p.attenuationDistance,g.attenuationColor.value.copy(p.attenuationColor)),p.anisotropy>0&&(g.anisotropyVector.value.set(p.anisotropy*Math.cos(p.anisotropyRotation),p.anisotropy*Math.sin(p.anisotropyRotation)),p.anisotropyMap&&(g.anisotropyMap.value=p.anisotropyMap,t(p.anisotropyMap,g.anisotropyMapTransform))),g.specularIntensity.value=p.specularIntensity,g.specularColor.value.copy(p.specularColor),p.specularColorMap&&(g.specularColorMap.value=p.specularColorMap,t(p.specularColorMap,g.specularColorMapTransform)),p.specularIntensityMap&&(g.specularIntensityMap.value=p.specularIntensityMap,t(p.specularIntensityMap,g.specularIntensityMapTransform))}function m(g,p){p.matcap&&(g.matcap.value=p.matcap)}function y(g,p){let x=e.get(p).light;g.referencePosition.value.setFromMatrixPosition(x.matrixWorld),g.nearDistance.value=x.shadow.camera.near,g.farDistance.value=x.shadow.camera.far}return{refreshFogUniforms:i,refreshMaterialUniforms:s}}function jv(n,e,t,i){let s={},r={};function o(x,b){let S=b.program;i.uniformBlockBinding(x,S,s[x.id])}function a(x,b){let S=s[x.id];S===void 0&&(m(x),S=l(x),s[x.id]=S,x.addEventListener("dispose",g));let E=b.program;i.updateUBOMapping(x,E);let T=e.render.frame;r[x.id]!==T&&(c(x),r[x.id]=T)}function l(x){let b=n.createBuffer(),S=x.__size,E=x.usage;return n.bindBuffer(n.UNIFORM_BUFFER,b),n.bufferData(n.UNIFORM_BUFFER,S,E),n.bindBuffer(n.UNIFORM_BUFFER,null),b}function c(x){let b=s[x.id],S=x.uniforms,E=x.__cache;n.bindBuffer(n.UNIFORM_BUFFER,b);for(let T=0,_=S.length;T<_;T++){let w=S[T];if(Array.isArray(w))for(let D=0,P=w.length;D<P;D++)u(w[D],T,D,E);else u(w,T,0,E)}n.bindBuffer(n.UNIFORM_BUFFER,null)}function u(x,b,S,E){if(f(x,b,S,E)===!0){let T=x.__offset,_=x.value;if(Array.isArray(_)){let w=0;for(let D=0;D<_.length;D++){let P=_[D],N=y(P,!0);h(P,x.__data,w),w+=N.storage/Float32Array.BYTES_PER_ELEMENT}}else h(_,x.__data,0);n.bufferSubData(n.UNIFORM_BUFFER,T,x.__data)}}function h(x,b,S){typeof x=="number"||typeof x=="boolean"?b[S]=x:x.isMatrix3?(b[S]=x.elements[0],b[S+1]=x.elements[1],b[S+2]=x.elements[2],b[S+3]=0,b[S+4]=x.elements[3],b[S+5]=x.elements[4],b[S+6]=x.elements[5],b[S+7]=0,b[S+8]=x.elements[6],b[S+9]=x.elements[7],b[S+10]=x.elements[8],b[S+11]=0):ArrayBuffer.isView(x)?b.set(x.subarray(0,b.length-S),S):x.toArray(b,S)}function f(x,b,S,E){let T=x.value,_=b+"_"+S;if(Array.isArray(T)){E[_]===void 0&&(E[_]=[]);let w=E[_],D=!1;for(let P=0;P<T.length;P++)d(T[P],w,P)===!0&&(D=!0);return D}return d(T,E,_)}function d(x,b,S){if(b[S]===void 0)return typeof x=="number"||typeof x=="boolean"?b[S]=x:ArrayBuffer.isView(x)?b[S]=x.slice():b[S]=x.clone(),!0;{let E=b[S];if(typeof x=="number"||typeof x=="boolean"){if(E!==x)return b[S]=x,!0}else{if(ArrayBuffer.isView(x))return!0;if(E.equals(x)===!1)return E.copy(x),!0}}return!1}function m(x){let b=x.uniforms,S=0,E=16;for(let _=0,w=b.length;_<w;_++){let D=Array.isArray(b[_])?b[_]:[b[_]];for(let P=0,N=D.length;P<N;P++){let k=D[P],W=Array.isArray(k.value)?k.value:[k.value],C=Array.isArray(b[_])||Array.isArray(k.value),G=S;for(let B=0,ee=W.length;B<ee;B++){let H=W[B],j=y(H,C),Q=S%E,ve=Q%j.boundary,Pe=Q+ve;S+=ve,Pe!==0&&E-Pe<j.storage&&(S+=E-Pe),B===0&&(G=S),S+=j.storage}let $=k.type==="int"?Int32Array:k.type==="uint"?Uint32Array:Float32Array;k.__data=new $((S-G)/Float32Array.BYTES_PER_ELEMENT),k.__offset=G}}let T=S%E;return T>0&&(S+=E-T),x.__size=S,x.__cache={},this}function y(x,b){let S={boundary:0,storage:0};return typeof x=="number"||typeof x=="boolean"?(S.boundary=4,S.storage=4):x.isVector2?(S.boundary=8,S.storage=8):x.isVector3||x.isColor?(S.boundary=16,S.storage=12):x.isVector4?(S.boundary=16,S.storage=16):x.isMatrix3?(S.boundary=16,S.storage=48):x.isMatrix4?(S.boundary=16,S.storage=64):x.isTexture?Ce("WebGLRenderer: Texture samplers can not be part of an uniforms group."):ArrayBuffer.isView(x)?(S.boundary=16,S.storage=x.byteLength):Ce("WebGLRenderer: Unsupported uniform value type.",x),b===!0&&(S.boundary=16,S.storage=Math.ceil(S.storage/16)*16),S}function g(x){let b=x.target;b.removeEventListener("dispose",g),n.deleteBuffer(s[b.id]),delete s[b.id],delete r[b.id]}function p(){for(let x in s)n.deleteBuffer(s[x]);s={},r={}}return{bind:o,update:a,dispose:p}}var Qv=new Uint16Array([12469,15057,12620,14925,13266,14620,13807,14376,14323,13990,14545,13625,14713,13328,14840,12882,14931,12528,14996,12233,15039,11829,15066,11525,15080,11295,15085,10976,15082,10705,15073,10495,13880,14564,13898,14542,13977,14430,14158,14124,14393,13732,14556,13410,14702,12996,14814,12596,14891,12291,14937,11834,14957,11489,14958,11194,14943,10803,14921,10506,14893,10278,14858,9960,14484,14039,14487,14025,14499,13941,14524,13740,14574,13468,14654,13106,14743,12678,14818,12344,14867,11893,14889,11509,14893,11180,14881,10751,14852,10428,14812,10128,14765,9754,14712,9466,14764,13480,14764,13475,14766,13440,14766,13347,14769,13070,14786,12713,14816,12387,14844,11957,14860,11549,14868,11215,14855,10751,14825,10403,14782,10044,14729,9651,14666,9352,14599,9029,14967,12835,14966,12831,14963,12804,14954,12723,14936,12564,14917,12347,14900,11958,14886,11569,14878,11247,14859,10765,14828,10401,14784,10011,14727,9600,14660,9289,14586,8893,14508,8533,15111,12234,15110,12234,15104,12216,15092,12156,15067,12010,15028,11776,14981,11500,14942,11205,14902,10752,14861,10393,14812,9991,14752,9570,14682,9252,14603,8808,14519,8445,14431,8145,15209,11449,15208,11451,15202,11451,15190,11438,15163,11384,15117,11274,15055,10979,14994,10648,14932,10343,14871,9936,14803,9532,14729,9218,14645,8742,14556,8381,14461,8020,14365,7603,15273,10603,15272,10607,15267,10619,15256,10631,15231,10614,15182,10535,15118,10389,15042,10167,14963,9787,14883,9447,14800,9115,14710,8665,14615,8318,14514,7911,14411,7507,14279,7198,15314,9675,15313,9683,15309,9712,15298,9759,15277,9797,15229,9773,15166,9668,15084,9487,14995,9274,14898,8910,14800,8539,14697,8234,14590,7790,14479,7409,14367,7067,14178,6621,15337,8619,15337,8631,15333,8677,15325,8769,15305,8871,15264,8940,15202,8909,15119,8775,15022,8565,14916,8328,14804,8009,14688,7614,14569,7287,14448,6888,14321,6483,14088,6171,15350,7402,15350,7419,15347,7480,15340,7613,15322,7804,15287,7973,15229,8057,15148,8012,15046,7846,14933,7611,14810,7357,14682,7069,14552,6656,14421,6316,14251,5948,14007,5528,15356,5942,15356,5977,15353,6119,15348,6294,15332,6551,15302,6824,15249,7044,15171,7122,15070,7050,14949,6861,14818,6611,14679,6349,14538,6067,14398,5651,14189,5311,13935,4958,15359,4123,15359,4153,15356,4296,15353,4646,15338,5160,15311,5508,15263,5829,15188,6042,15088,6094,14966,6001,14826,5796,14678,5543,14527,5287,14377,4985,14133,4586,13869,4257,15360,1563,15360,1642,15358,2076,15354,2636,15341,3350,15317,4019,15273,4429,15203,4732,15105,4911,14981,4932,14836,4818,14679,4621,14517,4386,14359,4156,14083,3795,13808,3437,15360,122,15360,137,15358,285,15355,636,15344,1274,15322,2177,15281,2765,15215,3223,15120,3451,14995,3569,14846,3567,14681,3466,14511,3305,14344,3121,14037,2800,13753,2467,15360,0,15360,1,15359,21,15355,89,15346,253,15325,479,15287,796,15225,1148,15133,1492,15008,1749,14856,1882,14685,1886,14506,1783,14324,1608,13996,1398,13702,1183]),En=null;function eM(){return En===null&&(En=new ls(Qv,16,16,ui,Zt),En.name="DFG_LUT",En.minFilter=Nt,En.magFilter=Nt,En.wrapS=Mn,En.wrapT=Mn,En.generateMipmaps=!1,En.needsUpdate=!0),En}var Ka=class{constructor(e={}){let{canvas:t=Fd(),context:i=null,depth:s=!0,stencil:r=!1,alpha:o=!1,antialias:a=!1,premultipliedAlpha:l=!0,preserveDrawingBuffer:c=!1,powerPreference:u="default",failIfMajorPerformanceCaveat:h=!1,reversedDepthBuffer:f=!1,outputBufferType:d=$t}=e;this.isWebGLRenderer=!0;let m;if(i!==null){if(typeof WebGLRenderingContext<"u"&&i instanceof WebGLRenderingContext)throw new Error("THREE.WebGLRenderer: WebGL 1 is not supported since r163.");m=i.getContextAttributes().alpha}else m=o;let y=d,g=new Set([_a,ga,ma]),p=new Set([$t,mn,gs,Ni,da,pa]),x=new Uint32Array(4),b=new Int32Array(4),S={textures:[],min:[],max:[],resolution:[]},E=null,T=null,_=[],w=[],D=null;this.domElement=t,this.debug={checkShaderErrors:!0,diagnostics:{keywords:!1},onShaderError:null},this.autoClear=!0,this.autoClearColor=!0,this.autoClearDepth=!0,this.autoClearStencil=!0,this.sortObjects=!0,this.clippingPlanes=[],this.localClippingEnabled=!1,this.toneMapping=An,this.toneMappingExposure=1,this.transmissionResolutionScale=1;let P=this,N=!1,k=null,W=null,C=null,G=null;this._outputColorSpace=Wt;let $=0,B=0,ee=null,H=-1,j=null,Q=new at,ve=new at,Pe=null,Y=new We(0),fe=0,ye=t.width,Ee=t.height,ge=1,Ue=null,ct=null,Re=new at(0,0,ye,Ee),Ze=new at(0,0,ye,Ee),je=!1,ke=new Ri,Mt=new qo,ft=!1,Ft=!1,rt=new nt,_n=new V,_t=new at,Jt={background:null,fog:null,environment:null,overrideMaterial:null,isScene:!0},Kt=!1;function jt(){return ee===null?ge:1}let L=i;function Qt(M,I){return t.getContext(M,I)}let it,st,de,dt,Te,Ne,A,v,F,te,K,se,ue,q,Z,oe,R,J,X,ae,ie,re,we;try{let M={alpha:!0,depth:s,stencil:r,antialias:a,premultipliedAlpha:l,preserveDrawingBuffer:c,powerPreference:u,failIfMajorPerformanceCaveat:h};if("setAttribute"in t&&t.setAttribute("data-engine",`three.js r${"187"}`),t.addEventListener("webglcontextlost",Ae,!1),t.addEventListener("webglcontextrestored",Fe,!1),t.addEventListener("webglcontextcreationerror",pe,!1),L===null){let I="webgl2";if(L=Qt(I,M),L===null)throw Qt(I)?new Error("THREE.WebGLRenderer: Error creating WebGL context with your selected attributes."):new Error("THREE.WebGLRenderer: Error creating WebGL context.")}Oe()}catch(M){throw t.removeEventListener("webglcontextlost",Ae,!1),t.removeEventListener("webglcontextrestored",Fe,!1),t.removeEventListener("webglcontextcreationerror",pe,!1),Ie("WebGLRenderer: "+M.message),M}function Oe(){it=new hx(L),it.init(),ie=new $v(L,it),st=new ex(L,it,e,ie),de=new Xv(L,it),st.reversedDepthBuffer&&f&&de.buffers.depth.setReversed(!0),W=L.createFramebuffer(),C=L.createFramebuffer(),G=L.createFramebuffer(),dt=new px(L),Te=new Pv,Ne=new qv(L,it,de,Te,st,ie,dt),A=new ux(P),v=new g_(L),re=new jy(L,v),F=new fx(L,v,dt,re),te=new gx(L,F,v,re,dt),J=new mx(L,st,Ne),Z=new tx(Te),K=new Iv(P,A,it,st,re,Z),se=new Kv(P,Te),ue=new Nv,q=new kv(it),R=new Ky(P,A,de,te,m,l),oe=new Wv(P,te,st),we=new jv(L,dt,st,de),X=new Qy(L,it,dt),ae=new dx(L,it,dt),dt.programs=K.programs,P.capabilities=st,P.extensions=it,P.properties=Te,P.renderLists=ue,P.shadowMap=oe,P.state=de,P.info=dt}y!==$t&&(D=new yx(y,t.width,t.height,a,s,r));let ne=new mu(P,L);this.xr=ne,this.getContext=function(){return L},this.getContextAttributes=function(){return L.getContextAttributes()},this.forceContextLoss=function(){let M=it.get("WEBGL_lose_context");M&&M.loseContext()},this.forceContextRestore=function(){let M=it.get("WEBGL_lose_context");M&&M.restoreContext()},this.getPixelRatio=function(){return ge},this.setPixelRatio=function(M){M!==void 0&&(ge=M,this.setSize(ye,Ee,!1))},this.getSize=function(M){return M.set(ye,Ee)},this.setSize=function(M,I,z=!0){if(ne.isPresenting){Ce("WebGLRenderer: Can't change size while VR device is presenting.");return}ye=M,Ee=I,t.width=Math.floor(M*ge),t.height=Math.floor(I*ge),z===!0&&(t.style.width=M+"px",t.style.height=I+"px"),D!==null&&D.setSize(t.width,t.height),this.setViewport(0,0,M,I)},this.getDrawingBufferSize=function(M){return M.set(ye*ge,Ee*ge).floor()},this.setDrawingBufferSize=function(M,I,z){ye=M,Ee=I,ge=z,t.width=Math.floor(M*z),t.height=Math.floor(I*z),this.setViewport(0,0,M,I)},this.setEffects=function(M){if(y===$t){Ie("WebGLRenderer: setEffects() requires outputBufferType set to HalfFloatType or FloatType.");return}if(M){for(let I=0;I<M.length;I++)if(M[I].isOutputPass===!0){Ce("WebGLRenderer: OutputPass is not needed in setEffects(). Tone mapping and color space conversion are applied automatically.");break}}D.setEffects(M||[])},this.getCurrentViewport=function(M){return M.copy(Q)},this.getViewport=function(M){return M.copy(Re)},this.setViewport=function(M,I,z,U){M.isVector4?Re.set(M.x,M.y,M.z,M.w):Re.set(M,I,z,U),de.viewport(Q.copy(Re).multiplyScalar(jt()).round())},this.getScissor=function(M){return M.copy(Ze)},this.setScissor=function(M,I,z,U){M.isVector4?Ze.set(M.x,M.y,M.z,M.w):Ze.set(M,I,z,U),de.scissor(ve.copy(Ze).multiplyScalar(jt()).round())},this.getScissorTest=function(){return je},this.setScissorTest=function(M){de.setScissorTest(je=M)},this.setOpaqueSort=function(M){Ue=M},this.setTransparentSort=function(M){ct=M},this.getClearColor=function(M){return M.copy(R.getClearColor())},this.setClearColor=function(){R.setClearColor(...arguments)},this.getClearAlpha=function(){return R.getClearAlpha()},this.setClearAlpha=function(){R.setClearAlpha(...arguments)},this.clear=function(M=!0,I=!0,z=!0){let U=0;if(M){let O=!1;if(ee!==null){let he=ee.texture.format;O=g.has(he)}if(O){let he=ee.texture.type,xe=p.has(he),le=R.getClearColor(),_e=R.getClearAlpha(),be=le.r,De=le.g,ze=le.b;xe?(x[0]=be,x[1]=De,x[2]=ze,x[3]=_e,L.clearBufferuiv(L.COLOR,0,x)):(b[0]=be,b[1]=De,b[2]=ze,b[3]=_e,L.clearBufferiv(L.COLOR,0,b))}else U|=L.COLOR_BUFFER_BIT}I&&(U|=L.DEPTH_BUFFER_BIT,this.state.buffers.depth.setMask(!0)),z&&(U|=L.STENCIL_BUFFER_BIT,this.state.buffers.stencil.setMask(4294967295)),U!==0&&L.clear(U)},this.clearColor=function(){this.clear(!0,!1,!1)},this.clearDepth=function(){this.clear(!1,!0,!1)},this.clearStencil=function(){this.clear(!1,!1,!0)},this.setNodesHandler=function(M){M.setRenderer(this),k=M},this.dispose=function(){t.removeEventListener("webglcontextlost",Ae,!1),t.removeEventListener("webglcontextrestored",Fe,!1),t.removeEventListener("webglcontextcreationerror",pe,!1),R.dispose(),ue.dispose(),q.dispose(),Ne.dispose(),Te.dispose(),A.dispose(),te.dispose(),F.dispose(),re.dispose(),we.dispose(),K.dispose(),ne.dispose(),ne.removeEventListener("sessionstart",xu),ne.removeEventListener("sessionend",vu),hi.stop()};function Ae(M){M.preventDefault(),eu("WebGLRenderer: Context Lost."),N=!0}function Fe(){eu("WebGLRenderer: Context Restored."),N=!1;let M=dt.autoReset,I=oe.enabled,z=oe.autoUpdate,U=oe.needsUpdate,O=oe.type;Oe(),dt.autoReset=M,oe.enabled=I,oe.autoUpdate=z,oe.needsUpdate=U,oe.type=O}function pe(M){Ie("WebGLRenderer: A WebGL context could not be created. Reason: ",M.statusMessage)}function Je(M){let I=M.target;I.removeEventListener("dispose",Je),yt(I)}function yt(M){qn(M),Te.remove(M)}function qn(M){let I=Te.get(M).programs;I!==void 0&&(I.forEach(function(z){K.releaseProgram(z)}),M.isShaderMaterial&&K.releaseShaderCache(M))}this.renderBufferDirect=function(M,I,z,U,O,he){I===null&&(I=Jt);let xe=O.isMesh&&O.matrixWorld.determinantAffine()<0,le=Cp(M,I,z,U,O);de.setMaterial(U,xe);let _e=z.index,be=1;if(U.wireframe===!0){if(_e=F.getWireframeAttribute(z),_e===void 0)return;be=2}let De=z.drawRange,ze=z.attributes.position,Me=De.start*be,Ge=(De.start+De.count)*be;he!==null&&(Me=Math.max(Me,he.start*be),Ge=Math.min(Ge,(he.start+he.count)*be)),_e!==null?(Me=Math.max(Me,0),Ge=Math.min(Ge,_e.count)):ze!=null&&(Me=Math.max(Me,0),Ge=Math.min(Ge,ze.count));let ut=Ge-Me;if(ut<0||ut===1/0)return;re.setup(O,U,le,z,_e);let et,Qe=X;if(_e!==null&&(et=v.get(_e),Qe=ae,Qe.setIndex(et)),O.isMesh)U.wireframe===!0?(de.setLineWidth(U.wireframeLinewidth*jt()),Qe.setMode(L.LINES)):Qe.setMode(L.TRIANGLES);else if(O.isLine){let wt=U.linewidth;wt===void 0&&(wt=1),de.setLineWidth(wt*jt()),O.isLineSegments?Qe.setMode(L.LINES):O.isLineLoop?Qe.setMode(L.LINE_LOOP):Qe.setMode(L.LINE_STRIP)}else O.isPoints?Qe.setMode(L.POINTS):O.isSprite&&Qe.setMode(L.TRIANGLES);if(O.isBatchedMesh)if(it.get("WEBGL_multi_draw"))Qe.renderMultiDraw(O._multiDrawStarts,O._multiDrawCounts,O._multiDrawCount);else{let wt=O._multiDrawStarts,Se=O._multiDrawCounts,Pt=O._multiDrawCount,$e=_e?v.get(_e).bytesPerElement:1,fi=Te.get(U).currentProgram.getUniforms();for(let At=0;At<Pt;At++)fi.setValue(L,"_gl_DrawID",At),Qe.render(wt[At]/$e,Se[At])}else if(O.isInstancedMesh)Qe.renderInstances(Me,ut,O.count);else if(z.isInstancedBufferGeometry){let wt=z._maxInstanceCount!==void 0?z._maxInstanceCount:1/0,Se=Math.min(z.instanceCount,wt);Qe.renderInstances(Me,ut,Se)}else Qe.render(Me,ut)};function yu(M,I,z,U){k!==null&&M.isNodeMaterial&&k.setObject(U,M),ft===!0&&Z.setState(M,z,!1),M.transparent===!0&&M.side===wn&&M.forceSinglePass===!1?(M.side=Ut,M.needsUpdate=!0,xs(M,I,U),M.side=ci,M.needsUpdate=!0,xs(M,I,U),M.side=wn):xs(M,I,U)}this.compile=function(M,I,z=null){z===null&&(z=M),k!==null&&k.renderStart(M,I,z),T=q.get(z),T.init(I),w.push(T),z.traverseVisible(function(O){O.isLight&&O.layers.test(I.layers)&&(T.pushLight(O),O.castShadow&&T.pushShadow(O))}),M!==z&&M.traverseVisible(function(O){O.isLight&&O.layers.test(I.layers)&&(T.pushLight(O),O.castShadow&&T.pushShadow(O))}),T.setupLights(),k!==null&&k.updateLights(T.state.lightsArray),Ft=this.localClippingEnabled,ft=Z.init(this.clippingPlanes,Ft),ft===!0&&Z.setGlobalState(this.clippingPlanes,I),k!==null&&oe.render(T.state.shadowsArray,z,I);let U=new Set;return M.traverse(function(O){if(!(O.isMesh||O.isPoints||O.isLine||O.isSprite))return;let he=O.material;if(he)if(Array.isArray(he))for(let xe=0;xe<he.length;xe++){let le=he[xe];yu(le,z,I,O),U.add(le)}else yu(he,z,I,O),U.add(he)}),T=w.pop(),k!==null&&k.renderEnd(),U},this.compileAsync=function(M,I,z=null){let U=this.compile(M,I,z);return new Promise(O=>{function he(){if(U.forEach(function(xe){let _e=Te.get(xe).currentProgram;(_e===void 0||_e.isReady())&&U.delete(xe)}),U.size===0){O(M);return}setTimeout(he,10)}it.get("KHR_parallel_shader_compile")!==null?he():setTimeout(he,10)})};let sl=null;function Tp(M){sl&&sl(M)}function xu(){hi.stop()}function vu(){hi.start()}let hi=new fp;hi.setAnimationLoop(Tp),typeof self<"u"&&hi.setContext(self),this.setAnimationLoop=function(M){sl=M,ne.setAnimationLoop(M),M===null?hi.stop():hi.start()},ne.addEventListener("sessionstart",xu),ne.addEventListener("sessionend",vu),this.render=function(M,I){if(I!==void 0&&I.isCamera!==!0){Ie("WebGLRenderer.render: camera is not an instance of THREE.Camera.");return}if(N===!0)return;k!==null&&k.renderStart(M,I);let z=ne.enabled===!0&&ne.isPresenting===!0,U=D!==null&&(ee===null||z)&&D.begin(P,ee);if(M.matrixWorldAutoUpdate===!0&&M.updateMatrixWorld(),I.parent===null&&I.matrixWorldAutoUpdate===!0&&I.updateMatrixWorld(),ne.enabled===!0&&ne.isPresenting===!0&&(D===null||D.isCompositing()===!1)&&(ne.cameraAutoUpdate===!0&&ne.updateCamera(I),I=ne.getCamera()),M.isScene===!0&&M.onBeforeRender(P,M,I,ee),T=q.get(M,w.length),T.init(I),T.state.textureUnits=Ne.getTextureUnits(),w.push(T),rt.multiplyMatrices(I.projectionMatrix,I.matrixWorldInverse),I.isArrayCamera?Mt.setFromArrayCamera(I):ke.setFromProjectionMatrix(rt,tn,I.reversedDepth),Ft=this.localClippingEnabled,ft=Z.init(this.clippingPlanes,Ft),E=ue.get(M,_.length),E.init(),_.push(E),this.info.render.frame++,ne.enabled===!0&&ne.isPresenting===!0){let xe=P.xr.getDepthSensingMesh();xe!==null&&rl(xe,I,-1/0,P.sortObjects)}rl(M,I,0,P.sortObjects),E.finish(),k!==null&&k.updateLights(T.state.lightsArray),P.sortObjects===!0&&E.sort(Ue,ct),Kt=ne.enabled===!1||ne.isPresenting===!1||ne.hasDepthSensing()===!1,Kt&&R.addToRenderList(E,M),this.info.autoReset===!0&&this.info.reset(),ft===!0&&Z.beginShadows();let O=T.state.shadowsArray;if(oe.render(O,M,I),ft===!0&&Z.endShadows(),(U&&D.hasRenderPass())===!1){let xe=E.opaque,le=E.transmissive;if(T.setupLights(),I.isArrayCamera){let _e=I.cameras;if(le.length>0)for(let be=0,De=_e.length;be<De;be++){let ze=_e[be];Su(xe,le,M,ze)}Kt&&R.render(M);for(let be=0,De=_e.length;be<De;be++){let ze=_e[be];Mu(E,M,ze,ze.viewport)}}else le.length>0&&Su(xe,le,M,I),Kt&&R.render(M),Mu(E,M,I)}ee!==null&&B===0&&(Ne.updateMultisampleRenderTarget(ee),Ne.updateRenderTargetMipmap(ee)),U&&D.end(P),M.isScene===!0&&M.onAfterRender(P,M,I),re.resetDefaultState(),H=-1,j=null,w.pop(),w.length>0?(T=w[w.length-1],Ne.setTextureUnits(T.state.textureUnits),ft===!0&&Z.setGlobalState(P.clippingPlanes,T.state.camera)):T=null,_.pop(),_.length>0?E=_[_.length-1]:E=null,k!==null&&k.renderEnd()};function rl(M,I,z,U){if(M.visible===!1)return;if(M.layers.test(I.layers)){if(M.isGroup)z=M.renderOrder;else if(M.isLOD)M.autoUpdate===!0&&M.update(I);else if(M.isLight)T.pushLight(M),M.castShadow&&T.pushShadow(M);else if(M.isSprite){let xe=I.isArrayCamera?Mt:ke;if(!M.frustumCulled||M.intersectsFrustum(xe)){U&&_t.setFromMatrixPosition(M.matrixWorld).applyMatrix4(rt);let le=te.update(M),_e=M.material;_e.visible&&E.push(M,le,_e,z,_t.z,null,I)}}else if(M.isMesh||M.isLine||M.isPoints){let xe=I.isArrayCamera?Mt:ke;if(!M.frustumCulled||M.intersectsFrustum(xe)){let le=te.update(M),_e=M.material;if(U&&(M.boundingSphere!==void 0?(M.boundingSphere===null&&M.computeBoundingSphere(),_t.copy(M.boundingSphere.center)):(le.boundingSphere===null&&le.computeBoundingSphere(),_t.copy(le.boundingSphere.center)),_t.applyMatrix4(M.matrixWorld).applyMatrix4(rt)),Array.isArray(_e)){let be=le.groups;for(let De=0,ze=be.length;De<ze;De++){let Me=be[De],Ge=_e[Me.materialIndex];Ge&&Ge.visible&&E.push(M,le,Ge,z,_t.z,Me,I)}}else _e.visible&&E.push(M,le,_e,z,_t.z,null,I)}}}let he=M.children;for(let xe=0,le=he.length;xe<le;xe++)rl(he[xe],I,z,U)}function Mu(M,I,z,U){let{opaque:O,transmissive:he,transparent:xe}=M;T.setupLightsView(z),ft===!0&&Z.setGlobalState(P.clippingPlanes,z),U&&de.viewport(Q.copy(U)),O.length>0&&vr(O,I,z),he.length>0&&vr(he,I,z),xe.length>0&&vr(xe,I,z),de.buffers.depth.setTest(!0),de.buffers.depth.setMask(!0),de.buffers.color.setMask(!0),de.setPolygonOffset(!1)}function Su(M,I,z,U){if((z.isScene===!0?z.overrideMaterial:null)!==null)return;if(T.state.transmissionRenderTarget[U.id]===void 0){let Me=it.has("EXT_color_buffer_half_float")||it.has("EXT_color_buffer_float");T.state.transmissionRenderTarget[U.id]=new Dt(1,1,{generateMipmaps:!0,type:Me?Zt:$t,minFilter:Hn,samples:Math.max(4,st.samples),stencilBuffer:r,resolveDepthBuffer:!1,resolveStencilBuffer:!1,storeMultisampledDepthBuffer:!1,storeMultisampledStencilBuffer:!1,colorSpace:Ve.workingColorSpace})}let he=T.state.transmissionRenderTarget[U.id],xe=U.viewport||Q;he.setSize(xe.z*P.transmissionResolutionScale,xe.w*P.transmissionResolutionScale);let le=P.getRenderTarget(),_e=P.getActiveCubeFace(),be=P.getActiveMipmapLevel();P.setRenderTarget(he),P.getClearColor(Y),fe=P.getClearAlpha(),fe<1&&P.setClearColor(16777215,.5),P.clear(),Kt&&R.render(z);let De=P.toneMapping;P.toneMapping=An;let ze=U.viewport;if(U.viewport!==void 0&&(U.viewport=void 0),T.setupLightsView(U),ft===!0&&Z.setGlobalState(P.clippingPlanes,U),vr(M,z,U),Ne.updateMultisampleRenderTarget(he),Ne.updateRenderTargetMipmap(he),it.has("WEBGL_multisampled_render_to_texture")===!1){let Me=!1;for(let Ge=0,ut=I.length;Ge<ut;Ge++){let et=I[Ge],{object:Qe,geometry:wt,material:Se,group:Pt}=et;if(Se.side===wn&&Qe.layers.test(U.layers)){let $e=Se.side;Se.side=Ut,Se.needsUpdate=!0,bu(Qe,z,U,wt,Se,Pt),Se.side=$e,Se.needsUpdate=!0,Me=!0}}Me===!0&&(Ne.updateMultisampleRenderTarget(he),Ne.updateRenderTargetMipmap(he))}P.setRenderTarget(le,_e,be),P.setClearColor(Y,fe),ze!==void 0&&(U.viewport=ze),P.toneMapping=De}function vr(M,I,z){let U=I.isScene===!0?I.overrideMaterial:null;for(let O=0,he=M.length;O<he;O++){let xe=M[O],{object:le,geometry:_e,group:be}=xe,De=xe.material;De.allowOverride===!0&&U!==null&&(De=U),le.layers.test(z.layers)&&bu(le,I,z,_e,De,be)}}function bu(M,I,z,U,O,he){k!==null&&O.isNodeMaterial&&k.setObject(M,O),M.onBeforeRender(P,I,z,U,O,he),M.modelViewMatrix.multiplyMatrices(z.matrixWorldInverse,M.matrixWorld),M.normalMatrix.getNormalMatrix(M.modelViewMatrix),O.onBeforeRender(P,I,z,U,M,he),O.transparent===!0&&O.side===wn&&O.forceSinglePass===!1?(O.side=Ut,O.needsUpdate=!0,P.renderBufferDirect(z,I,U,O,M,he),O.side=ci,O.needsUpdate=!0,P.renderBufferDirect(z,I,U,O,M,he),O.side=wn):P.renderBufferDirect(z,I,U,O,M,he),M.onAfterRender(P,I,z,U,O,he)}function wu(M){let I=0;for(let z of M)z.texture!==null&&I++;return I}function xs(M,I,z){I.isScene!==!0&&(I=Jt);let U=Te.get(M),O=T.state.lights,he=T.state.shadowsArray,xe=O.state.version,le=K.getParameters(M,O.state,he,I,z,T.state.lightProbeGridArray),_e=K.getProgramCacheKey(le),be=U.programs;U.environment=M.isMeshStandardMaterial||M.isMeshLambertMaterial||M.isMeshPhongMaterial?I.environment:null,U.fog=I.fog;let De=M.isMeshStandardMaterial||M.isMeshLambertMaterial&&!M.envMap||M.isMeshPhongMaterial&&!M.envMap;U.envMap=A.get(M.envMap||U.environment,De),U.envMapRotation=U.environment!==null&&M.envMap===null?I.environmentRotation:M.envMapRotation,be===void 0&&(M.addEventListener("dispose",Je),be=new Map,U.programs=be,U.programVariants=new Map);let ze=be.get(_e);if(ze!==void 0){if(U.currentProgram===ze&&U.lightsStateVersion===xe)return Eu(M,le),ze}else le.uniforms=K.getUniforms(M),k!==null&&M.isNodeMaterial&&k.build(M,z,le),M.onBeforeCompile(le,P),ze=K.acquireProgram(le,_e),be.set(_e,ze),U.uniforms=le.uniforms;let Me=U.uniforms;return(!M.isShaderMaterial&&!M.isRawShaderMaterial||M.clipping===!0)&&(Me.clippingPlanes=Z.uniform),Eu(M,le),U.needsLights=Pp(M),U.lightsStateVersion=xe,U.needsLights&&(Me.ambientLightColor.value=O.state.ambient,Me.lightProbe.value=O.state.probe,Me.sunLights.value=O.state.sun,Me.sunLightShadows.value=O.state.sunShadow,Me.directionalLights.value=O.state.directional,Me.directionalLightShadows.value=O.state.directionalShadow,Me.spotLights.value=O.state.spot,Me.spotLightShadows.value=O.state.spotShadow,Me.rectAreaLights.value=O.state.rectArea,Me.ltc_1.value=O.state.rectAreaLTC1,Me.ltc_2.value=O.state.rectAreaLTC2,Me.pointLights.value=O.state.point,Me.pointLightShadows.value=O.state.pointShadow,Me.hemisphereLights.value=O.state.hemi,Me.sunShadowMatrix.value=O.state.sunShadowMatrix,Me.sunShadowCascade.value=O.state.sunShadowCascade,Me.directionalShadowMatrix.value=O.state.directionalShadowMatrix,Me.spotLightMatrix.value=O.state.spotLightMatrix,Me.spotLightMap.value=O.state.spotLightMap,Me.pointShadowMatrix.value=O.state.pointShadowMatrix),U.numLightProbeGrids=wu(T.state.lightProbeGridArray),U.currentProgram=ze,U.uniformsList=null,ze}function Rp(M,I,z,U,O){let he=Te.get(M),xe=he.currentProgram.id+","+U+","+O,le=he.programVariants.get(xe);return le===void 0?(le=xs(M,I,z),he.programVariants.set(xe,le)):(he.currentProgram=le,he.uniformsList=null,he.outputColorSpace=U,he.toneMapping=O),le}function Au(M){if(M.uniformsList===null){let I=M.currentProgram.getUniforms();M.uniformsList=_s.seqWithValue(I.seq,M.uniforms)}return M.uniformsList}function Eu(M,I){let z=Te.get(M);z.outputColorSpace=I.outputColorSpace,z.batching=I.batching,z.batchingColor=I.batchingColor,z.instancing=I.instancing,z.instancingColor=I.instancingColor,z.instancingMorph=I.instancingMorph,z.skinning=I.skinning,z.morphTargets=I.morphTargets,z.morphNormals=I.morphNormals,z.morphColors=I.morphColors,z.morphTargetsCount=I.morphTargetsCount,z.numClippingPlanes=I.numClippingPlanes,z.numIntersection=I.numClipIntersection,z.vertexAlphas=I.vertexAlphas,z.vertexTangents=I.vertexTangents,z.toneMapping=I.toneMapping}function Cp(M,I,z,U,O){I.isScene!==!0&&(I=Jt),Ne.resetTextureUnits();let he=I.fog,xe=U.isMeshStandardMaterial||U.isMeshLambertMaterial||U.isMeshPhongMaterial?I.environment:null,le=ee===null?P.outputColorSpace:ee.isXRRenderTarget===!0?ee.texture.colorSpace:Ve.workingColorSpace,_e=U.isMeshStandardMaterial||U.isMeshLambertMaterial&&!U.envMap||U.isMeshPhongMaterial&&!U.envMap,be=A.get(U.envMap||xe,_e),De=U.vertexColors===!0&&!!z.attributes.color&&z.attributes.color.itemSize===4,ze=!!z.attributes.tangent&&(!!U.normalMap||U.anisotropy>0),Me=!!z.morphAttributes.position,Ge=!!z.morphAttributes.normal,ut=!!z.morphAttributes.color,et=An;U.toneMapped&&(ee===null||ee.isXRRenderTarget===!0)&&(et=P.toneMapping);let Qe=z.morphAttributes.position||z.morphAttributes.normal||z.morphAttributes.color,wt=Qe!==void 0?Qe.length:0,Se=Te.get(U),Pt=T.state.lights;if(ft===!0&&(Ft===!0||M!==j)){let ot=M===j&&U.id===H;Z.setState(U,M,ot)}let $e=!1,fi=!1;U.version===Se.__version?Se.needsLights&&Se.lightsStateVersion!==Pt.state.version||O.isBatchedMesh&&Se.batching===!1||!O.isBatchedMesh&&Se.batching===!0||O.isBatchedMesh&&Se.batchingColor===!0&&O._colorsTexture===null||O.isBatchedMesh&&Se.batchingColor===!1&&O._colorsTexture!==null||O.isInstancedMesh&&Se.instancing===!1||!O.isInstancedMesh&&Se.instancing===!0||O.isSkinnedMesh&&Se.skinning===!1||!O.isSkinnedMesh&&Se.skinning===!0||O.isInstancedMesh&&Se.instancingColor===!0&&O.instanceColor===null||O.isInstancedMesh&&Se.instancingColor===!1&&O.instanceColor!==null||O.isInstancedMesh&&Se.instancingMorph===!0&&O.morphTexture===null||O.isInstancedMesh&&Se.instancingMorph===!1&&O.morphTexture!==null||Se.envMap!==be||U.fog===!0&&Se.fog!==he||Se.numClippingPlanes!==void 0&&(Se.numClippingPlanes!==Z.numPlanes||Se.numIntersection!==Z.numIntersection)||Se.vertexAlphas!==De||Se.vertexTangents!==ze||Se.morphTargets!==Me||Se.morphNormals!==Ge||Se.morphColors!==ut||Se.morphTargetsCount!==wt||Se.numLightProbeGrids!==wu(T.state.lightProbeGridArray)?$e=!0:(Se.outputColorSpace!==le||Se.toneMapping!==et)&&(fi=!0):($e=!0,Se.__version=U.version);let At=Se.currentProgram;($e===!0||fi===!0)&&(At=fi===!0?Rp(U,I,O,le,et):xs(U,I,O),k&&U.isNodeMaterial&&k.onUpdateProgram(U,At,Se));let Mr=!1,$n=!1,di=!1,Xe=At.getUniforms(),St=Se.uniforms;if(de.useProgram(At.program)&&(Mr=!0,$n=!0,di=!0),U.id!==H&&(H=U.id,$n=!0),Mr||j!==M){de.buffers.depth.getReversed()&&M.reversedDepth!==!0&&(M._reversedDepth=!0,M.updateProjectionMatrix()),Xe.setValue(L,"projectionMatrix",M.projectionMatrix),Xe.setValue(L,"viewMatrix",M.matrixWorldInverse);let xt=Xe.map.cameraPosition;xt!==void 0&&xt.setValue(L,_n.setFromMatrixPosition(M.matrixWorld)),st.logarithmicDepthBuffer&&Xe.setValue(L,"logDepthBufFC",2/(Math.log(M.far+1)/Math.LN2)),(U.isMeshPhongMaterial||U.isMeshToonMaterial||U.isMeshLambertMaterial||U.isMeshBasicMaterial||U.isMeshStandardMaterial||U.isShaderMaterial)&&Xe.setValue(L,"isOrthographic",M.isOrthographicCamera===!0),j!==M&&(j=M,$n=!0,di=!0)}if(Se.needsLights&&(Pt.state.sunShadowMap.length>0&&Xe.setValue(L,"sunShadowMap",Pt.state.sunShadowMap,Ne),Pt.state.directionalShadowMap.length>0&&Xe.setValue(L,"directionalShadowMap",Pt.state.directionalShadowMap,Ne),Pt.state.spotShadowMap.length>0&&Xe.setValue(L,"spotShadowMap",Pt.state.spotShadowMap,Ne),Pt.state.pointShadowMap.length>0&&Xe.setValue(L,"pointShadowMap",Pt.state.pointShadowMap,Ne)),O.isSkinnedMesh){Xe.setOptional(L,O,"bindMatrix"),Xe.setOptional(L,O,"bindMatrixInverse");let ot=O.skeleton;ot&&(ot.boneTexture===null&&ot.computeBoneTexture(),Xe.setValue(L,"boneTexture",ot.boneTexture,Ne))}O.isBatchedMesh&&(Xe.setOptional(L,O,"batchingTexture"),Xe.setValue(L,"batchingTexture",O._matricesTexture,Ne),Xe.setOptional(L,O,"batchingIdTexture"),Xe.setValue(L,"batchingIdTexture",O._indirectTexture,Ne),Xe.setOptional(L,O,"batchingColorTexture"),O._colorsTexture!==null&&Xe.setValue(L,"batchingColorTexture",O._colorsTexture,Ne));let an=z.morphAttributes;if((an.position!==void 0||an.normal!==void 0||an.color!==void 0)&&J.update(O,z,At),($n||Se.receiveShadow!==O.receiveShadow)&&(Se.receiveShadow=O.receiveShadow,Xe.setValue(L,"receiveShadow",O.receiveShadow)),(U.isMeshStandardMaterial||U.isMeshLambertMaterial||U.isMeshPhongMaterial)&&U.envMap===null&&I.environment!==null&&(St.envMapIntensity.value=I.environmentIntensity),St.dfgLUT!==void 0&&(St.dfgLUT.value=eM()),$n){if(Xe.setValue(L,"toneMappingExposure",P.toneMappingExposure),Se.needsLights&&Ip(St,di),he&&U.fog===!0&&se.refreshFogUniforms(St,he),se.refreshMaterialUniforms(St,U,ge,Ee,T.state.transmissionRenderTarget[M.id]),Se.needsLights&&Se.numLightProbeGrids>0){let ot=S,xt=0;for(let Rn of T.state.lightProbeGridArray)Rn.texture!==null&&(ot.textures[xt]=Rn.texture,ot.min[xt]=Rn.boundingBox.min,ot.max[xt]=Rn.boundingBox.max,ot.resolution[xt]=Rn.resolution,xt++);for(let Rn in ot)ot[Rn].length=xt;St.probesSH.value=ot.textures,St.probesMin.value=ot.min,St.probesMax.value=ot.max,St.probesResolution.value=ot.resolution}_s.upload(L,Au(Se),St,Ne)}if(U.isShaderMaterial&&U.uniformsNeedUpdate===!0&&(_s.upload(L,Au(Se),St,Ne),U.uniformsNeedUpdate=!1),U.isSpriteMaterial&&Xe.setValue(L,"center",O.center),Xe.setValue(L,"modelViewMatrix",O.modelViewMatrix),Xe.setValue(L,"normalMatrix",O.normalMatrix),Xe.setValue(L,"modelMatrix",O.matrixWorld),U.uniformsGroups!==void 0){let ot=U.uniformsGroups;for(let xt=0,Rn=ot.length;xt<Rn;xt++){let Ru=ot[xt];we.update(Ru,At),we.bind(Ru,At)}}return At}function Ip(M,I){M.ambientLightColor.needsUpdate=I,M.lightProbe.needsUpdate=I,M.sunLights.needsUpdate=I,M.sunLightShadows.needsUpdate=I,M.directionalLights.needsUpdate=I,M.directionalLightShadows.needsUpdate=I,M.pointLights.needsUpdate=I,M.pointLightShadows.needsUpdate=I,M.spotLights.needsUpdate=I,M.spotLightShadows.needsUpdate=I,M.rectAreaLights.needsUpdate=I,M.hemisphereLights.needsUpdate=I}function Pp(M){return M.isMeshLambertMaterial||M.isMeshToonMaterial||M.isMeshPhongMaterial||M.isMeshStandardMaterial||M.isShadowMaterial||M.isShaderMaterial&&M.lights===!0}this.getActiveCubeFace=function(){return $},this.getActiveMipmapLevel=function(){return B},this.getRenderTarget=function(){return ee},this.setRenderTargetTextures=function(M,I,z){let U=Te.get(M);U.__autoAllocateDepthBuffer=M.resolveDepthBuffer===!1,U.__autoAllocateDepthBuffer===!1&&(U.__useRenderToTexture=!1),Te.get(M.texture).__webglTexture=I,Te.get(M.depthTexture).__webglTexture=U.__autoAllocateDepthBuffer?void 0:z,U.__hasExternalTextures=!0},this.setRenderTargetFramebuffer=function(M,I){let z=Te.get(M);z.__webglFramebuffer=I,z.__useDefaultFramebuffer=I===void 0},this.setRenderTarget=function(M,I=0,z=0){ee=M,$=I,B=z;let U=null,O=!1,he=!1;if(M){let le=Te.get(M);if(le.__useDefaultFramebuffer!==void 0){de.bindFramebuffer(L.FRAMEBUFFER,le.__webglFramebuffer),Q.copy(M.viewport),ve.copy(M.scissor),Pe=M.scissorTest,de.viewport(Q),de.scissor(ve),de.setScissorTest(Pe),H=-1;return}else if(le.__webglFramebuffer===void 0)Ne.setupRenderTarget(M);else if(le.__hasExternalTextures)Ne.rebindTextures(M,Te.get(M.texture).__webglTexture,Te.get(M.depthTexture).__webglTexture);else if(M.depthBuffer){let De=M.depthTexture;if(le.__boundDepthTexture!==De){if(De!==null&&Te.has(De)&&(M.width!==De.image.width||M.height!==De.image.height))throw new Error("THREE.WebGLRenderer: Attached DepthTexture is initialized to the incorrect size.");Ne.setupDepthRenderbuffer(M)}}let _e=M.texture;(_e.isData3DTexture||_e.isDataArrayTexture||_e.isCompressedArrayTexture)&&(he=!0);let be=Te.get(M).__webglFramebuffer;M.isWebGLCubeRenderTarget?(Array.isArray(be[I])?U=be[I][z]:U=be[I],O=!0):M.samples>0&&Ne.useMultisampledRTT(M)===!1?U=Te.get(M).__webglMultisampledFramebuffer:Array.isArray(be)?U=be[z]:U=be,Q.copy(M.viewport),ve.copy(M.scissor),Pe=M.scissorTest}else Q.copy(Re).multiplyScalar(ge).floor(),ve.copy(Ze).multiplyScalar(ge).floor(),Pe=je;if(z!==0&&(U=W),de.bindFramebuffer(L.FRAMEBUFFER,U)&&de.drawBuffers(M,U),de.viewport(Q),de.scissor(ve),de.setScissorTest(Pe),O){let le=Te.get(M.texture);L.framebufferTexture2D(L.FRAMEBUFFER,L.COLOR_ATTACHMENT0,L.TEXTURE_CUBE_MAP_POSITIVE_X+I,le.__webglTexture,z)}else if(he){let le=I;for(let _e=0;_e<M.textures.length;_e++){let be=Te.get(M.textures[_e]);L.framebufferTextureLayer(L.FRAMEBUFFER,L.COLOR_ATTACHMENT0+_e,be.__webglTexture,z,le)}}else if(M!==null&&z!==0){let le=Te.get(M.texture);L.framebufferTexture2D(L.FRAMEBUFFER,L.COLOR_ATTACHMENT0,L.TEXTURE_2D,le.__webglTexture,z)}H=-1};function Tu(M){let I=Te.get(M);return(I.__readFormat!==M.format||I.__readType!==M.type)&&(I.__readFormat=M.format,I.__readType=M.type,I.__formatReadable=st.textureFormatReadable(M.format),I.__typeReadable=st.textureTypeReadable(M.type)),I}this.readRenderTargetPixels=function(M,I,z,U,O,he,xe,le=0){if(!(M&&M.isWebGLRenderTarget)){Ie("WebGLRenderer.readRenderTargetPixels: renderTarget is not THREE.WebGLRenderTarget.");return}let _e=Te.get(M).__webglFramebuffer;if(M.isWebGLCubeRenderTarget&&xe!==void 0&&(_e=_e[xe],Array.isArray(_e)&&(_e=_e[0])),_e){de.bindFramebuffer(L.FRAMEBUFFER,_e);try{let be=M.textures[le],De=be.format,ze=be.type;M.textures.length>1&&L.readBuffer(L.COLOR_ATTACHMENT0+le);let Me=Tu(be);if(Me.__formatReadable===!1){Ie("WebGLRenderer.readRenderTargetPixels: renderTarget is not in RGBA or implementation defined format.");return}if(Me.__typeReadable===!1){Ie("WebGLRenderer.readRenderTargetPixels: renderTarget is not in UnsignedByteType or implementation defined type.");return}I>=0&&I<=M.width-U&&z>=0&&z<=M.height-O&&L.readPixels(I,z,U,O,ie.convert(De),ie.convert(ze),he)}finally{let be=ee!==null?Te.get(ee).__webglFramebuffer:null;de.bindFramebuffer(L.FRAMEBUFFER,be)}}},this.readRenderTargetPixelsAsync=async function(M,I,z,U,O,he,xe,le=0){if(!(M&&M.isWebGLRenderTarget))throw new Error("THREE.WebGLRenderer.readRenderTargetPixels: renderTarget is not THREE.WebGLRenderTarget.");let _e=Te.get(M).__webglFramebuffer;if(M.isWebGLCubeRenderTarget&&xe!==void 0&&(_e=_e[xe],Array.isArray(_e)&&(_e=_e[0])),_e)if(I>=0&&I<=M.width-U&&z>=0&&z<=M.height-O){de.bindFramebuffer(L.FRAMEBUFFER,_e);let be=M.textures[le],De=be.format,ze=be.type;M.textures.length>1&&L.readBuffer(L.COLOR_ATTACHMENT0+le);let Me=Tu(be);if(Me.__formatReadable===!1)throw new Error("THREE.WebGLRenderer.readRenderTargetPixelsAsync: renderTarget is not in RGBA or implementation defined format.");if(Me.__typeReadable===!1)throw new Error("THREE.WebGLRenderer.readRenderTargetPixelsAsync: renderTarget is not in UnsignedByteType or implementation defined type.");let Ge=L.createBuffer();L.bindBuffer(L.PIXEL_PACK_BUFFER,Ge),L.bufferData(L.PIXEL_PACK_BUFFER,he.byteLength,L.STREAM_READ),L.readPixels(I,z,U,O,ie.convert(De),ie.convert(ze),0),L.bindBuffer(L.PIXEL_PACK_BUFFER,null);let ut=ee!==null?Te.get(ee).__webglFramebuffer:null;de.bindFramebuffer(L.FRAMEBUFFER,ut);let et=L.fenceSync(L.SYNC_GPU_COMMANDS_COMPLETE,0);return L.flush(),await Bd(L,et,4),L.bindBuffer(L.PIXEL_PACK_BUFFER,Ge),L.getBufferSubData(L.PIXEL_PACK_BUFFER,0,he),L.bindBuffer(L.PIXEL_PACK_BUFFER,null),L.deleteBuffer(Ge),L.deleteSync(et),he}else throw new Error("THREE.WebGLRenderer.readRenderTargetPixelsAsync: requested read bounds are out of range.")},this.copyFramebufferToTexture=function(M,I=null,z=0){let U=Math.pow(2,-z),O=Math.floor(M.image.width*U),he=Math.floor(M.image.height*U),xe=I!==null?I.x:0,le=I!==null?I.y:0;Ne.setTexture2D(M,0),L.copyTexSubImage2D(L.TEXTURE_2D,z,0,0,xe,le,O,he),de.unbindTexture()},this.copyTextureToTexture=function(M,I,z=null,U=null,O=0,he=0){let xe,le,_e,be,De,ze,Me,Ge,ut,et=M.isCompressedTexture?M.mipmaps[he]:M.image;if(z!==null)xe=z.max.x-z.min.x,le=z.max.y-z.min.y,_e=z.isBox3?z.max.z-z.min.z:1,be=z.min.x,De=z.min.y,ze=z.isBox3?z.min.z:0;else{let Xe=Math.pow(2,-O);xe=Math.floor(et.width*Xe),le=Math.floor(et.height*Xe),M.isDataArrayTexture?_e=et.depth:M.isData3DTexture?_e=Math.floor(et.depth*Xe):_e=1,be=0,De=0,ze=0}U!==null?(Me=U.x,Ge=U.y,ut=U.z):(Me=0,Ge=0,ut=0);let Qe=ie.convert(I.format),wt=ie.convert(I.type),Se;I.isData3DTexture?(Ne.setTexture3D(I,0),Se=L.TEXTURE_3D):I.isDataArrayTexture||I.isCompressedArrayTexture?(Ne.setTexture2DArray(I,0),Se=L.TEXTURE_2D_ARRAY):(Ne.setTexture2D(I,0),Se=L.TEXTURE_2D),de.activeTexture(L.TEXTURE0),de.pixelStorei(L.UNPACK_FLIP_Y_WEBGL,I.flipY),de.pixelStorei(L.UNPACK_PREMULTIPLY_ALPHA_WEBGL,I.premultiplyAlpha),de.pixelStorei(L.UNPACK_ALIGNMENT,I.unpackAlignment);let Pt=de.getParameter(L.UNPACK_ROW_LENGTH),$e=de.getParameter(L.UNPACK_IMAGE_HEIGHT),fi=de.getParameter(L.UNPACK_SKIP_PIXELS),At=de.getParameter(L.UNPACK_SKIP_ROWS),Mr=de.getParameter(L.UNPACK_SKIP_IMAGES);de.pixelStorei(L.UNPACK_ROW_LENGTH,et.width),de.pixelStorei(L.UNPACK_IMAGE_HEIGHT,et.height),de.pixelStorei(L.UNPACK_SKIP_PIXELS,be),de.pixelStorei(L.UNPACK_SKIP_ROWS,De),de.pixelStorei(L.UNPACK_SKIP_IMAGES,ze);let $n=M.isDataArrayTexture||M.isData3DTexture,di=I.isDataArrayTexture||I.isData3DTexture;if(M.isDepthTexture){let Xe=Te.get(M),St=Te.get(I),an=Te.get(Xe.__renderTarget),ot=Te.get(St.__renderTarget);de.bindFramebuffer(L.READ_FRAMEBUFFER,an.__webglFramebuffer),de.bindFramebuffer(L.DRAW_FRAMEBUFFER,ot.__webglFramebuffer);for(let xt=0;xt<_e;xt++)$n&&(L.framebufferTextureLayer(L.READ_FRAMEBUFFER,L.COLOR_ATTACHMENT0,Te.get(M).__webglTexture,O,ze+xt),L.framebufferTextureLayer(L.DRAW_FRAMEBUFFER,L.COLOR_ATTACHMENT0,Te.get(I).__webglTexture,he,ut+xt)),L.blitFramebuffer(be,De,be+xe,De+le,Me,Ge,Me+xe,Ge+le,L.DEPTH_BUFFER_BIT,L.NEAREST);de.bindFramebuffer(L.READ_FRAMEBUFFER,null),de.bindFramebuffer(L.DRAW_FRAMEBUFFER,null)}else if(O!==0||M.isRenderTargetTexture||Te.has(M)){let Xe=Te.get(M),St=Te.get(I);de.bindFramebuffer(L.READ_FRAMEBUFFER,C),de.bindFramebuffer(L.DRAW_FRAMEBUFFER,G);for(let an=0;an<_e;an++)$n?L.framebufferTextureLayer(L.READ_FRAMEBUFFER,L.COLOR_ATTACHMENT0,Xe.__webglTexture,O,ze+an):L.framebufferTexture2D(L.READ_FRAMEBUFFER,L.COLOR_ATTACHMENT0,L.TEXTURE_2D,Xe.__webglTexture,O),di?L.framebufferTextureLayer(L.DRAW_FRAMEBUFFER,L.COLOR_ATTACHMENT0,St.__webglTexture,he,ut+an):L.framebufferTexture2D(L.DRAW_FRAMEBUFFER,L.COLOR_ATTACHMENT0,L.TEXTURE_2D,St.__webglTexture,he),O!==0?L.blitFramebuffer(be,De,be+xe,De+le,Me,Ge,Me+xe,Ge+le,L.COLOR_BUFFER_BIT,L.NEAREST):di?L.copyTexSubImage3D(Se,he,Me,Ge,ut+an,be,De,xe,le):L.copyTexSubImage2D(Se,he,Me,Ge,be,De,xe,le);de.bindFramebuffer(L.READ_FRAMEBUFFER,null),de.bindFramebuffer(L.DRAW_FRAMEBUFFER,null)}else di?M.isDataTexture||M.isData3DTexture?L.texSubImage3D(Se,he,Me,Ge,ut,xe,le,_e,Qe,wt,et.data):I.isCompressedArrayTexture?L.compressedTexSubImage3D(Se,he,Me,Ge,ut,xe,le,_e,Qe,et.data):L.texSubImage3D(Se,he,Me,Ge,ut,xe,le,_e,Qe,wt,et):M.isDataTexture?L.texSubImage2D(L.TEXTURE_2D,he,Me,Ge,xe,le,Qe,wt,et.data):M.isCompressedTexture?L.compressedTexSubImage2D(L.TEXTURE_2D,he,Me,Ge,et.width,et.height,Qe,et.data):L.texSubImage2D(L.TEXTURE_2D,he,Me,Ge,xe,le,Qe,wt,et);de.pixelStorei(L.UNPACK_ROW_LENGTH,Pt),de.pixelStorei(L.UNPACK_IMAGE_HEIGHT,$e),de.pixelStorei(L.UNPACK_SKIP_PIXELS,fi),de.pixelStorei(L.UNPACK_SKIP_ROWS,At),de.pixelStorei(L.UNPACK_SKIP_IMAGES,Mr),he===0&&I.generateMipmaps===!0&&I.mipmapsAutoUpdate===!0&&L.generateMipmap(Se),de.unbindTexture()},this.initRenderTarget=function(M){Te.get(M).__webglFramebuffer===void 0&&Ne.setupRenderTarget(M)},this.initTexture=function(M){M.isCubeTexture?Ne.setTextureCube(M,0):M.isData3DTexture?Ne.setTexture3D(M,0):M.isDataArrayTexture||M.isCompressedArrayTexture?Ne.setTexture2DArray(M,0):Ne.setTexture2D(M,0),de.unbindTexture()},this.resetState=function(){$=0,B=0,ee=null,de.reset(),re.reset()},typeof __THREE_DEVTOOLS__<"u"&&__THREE_DEVTOOLS__.dispatchEvent(new CustomEvent("observe",{detail:this}))}get coordinateSystem(){return tn}get outputColorSpace(){return this._outputColorSpace}set outputColorSpace(e){this._outputColorSpace=e;let t=this.getContext();t.drawingBufferColorSpace=Ve._getDrawingBufferColorSpace(e),t.unpackColorSpace=Ve._getUnpackColorSpace()}};var tM=40,yr=256,bp=`
attribute vec4 colour;
varying vec3 rgb;
uniform float size;
void main() {
  rgb = colour.rgb;
  gl_PointSize = size;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
  gl_Position.z = 0.0;
}`,wp=`
varying vec3 rgb;
void main() {
  if (length(gl_PointCoord - 0.5) > 0.5) discard;
  gl_FragColor = vec4(rgb, 1.0);
}`,nM=`
varying vec3 rgb;
uniform float size;
void main() {
  float edge = (0.5 - length(gl_PointCoord - 0.5)) * size;
  float opacity = ${no} * clamp(edge + 0.5, 0.0, 1.0);
  gl_FragColor = vec4(rgb * opacity, opacity);
}`,iM=`
varying vec2 place;
void main() {
  place = uv;
  gl_Position = vec4(position.xy, 0.0, 1.0);
}`,sM=`
varying vec2 place;
uniform sampler2D sums;
uniform sampler2D ranks;
void main() {
  vec4 sum = texture2D(sums, place);
  if (sum.a < 0.5) discard;
  float rank = texture2D(ranks, vec2((min(sum.a, ${yr-1}.0) + 0.5) / ${yr}.0, 0.5)).r;
  float opacity = mix(${(Us/255).toFixed(4)}, 1.0, rank);
  gl_FragColor = vec4(sum.rgb / sum.a * opacity, opacity);
}`,xr=class n{constructor(e,t){this.element=e;this.#t=t,this.#e=new Ka({canvas:e,context:t,alpha:!0,depth:!1}),this.#e.setClearColor(0,0),this.#e.autoClear=!1;let i=t.getExtension("EXT_float_blend")===null?Zt:Yt,s={minFilter:lt,magFilter:lt};this.#i=new Dt(1,1,{type:i,depthBuffer:!1,...s});let r=gu(iM,sM,{sums:this.#i.texture,ranks:this.#l});this.#c=new rn(new Ci(2,2),r);for(let o of[this.#o,this.#a,this.#c])o.frustumCulled=!1,o.matrixAutoUpdate=!1}element;kind="webgl";#e;#t;#n=new hs;#i;#s=gu(bp,wp,{size:1});#r=gu(bp,nM,{size:1});#l=new ls(new Uint8Array(yr),yr,1,or);#o=new cs(new kt,this.#s);#a=new cs(new kt,this.#r);#c;#h=null;#u=null;#f=0;static in(e,t){let i=e.getContext("webgl2",{alpha:!0,antialias:!1,depth:!1});return i?.getExtension("EXT_color_buffer_float")==null?null:(e.addEventListener("webglcontextlost",s=>{s.preventDefault(),t()}),new n(e,i))}show(e){e.plane!==this.#u&&(this.#u=e.plane,this.#m("position",new Ct(e.plane.axes,3)),this.turn(e.plane.turned)),e.colouring!==this.#h?.colouring&&this.#m("colour",new Ct(rM(e),4,!0)),this.#h=e,this.#o.geometry.setIndex(new Ct(e.shown,1))}turn([e,t]){let[i,s]=[e*Math.PI/180,t*Math.PI/180],[r,o,a,l]=[Math.cos(i),Math.sin(i),Math.cos(s),Math.sin(s)],c=new nt;c.set(r,-o,0,0,o*l,r*l,a,0,-o*a,-r*a,l,0,0,0,0,1);for(let u of[this.#o,this.#a])u.matrix.copy(c),u.matrixWorldNeedsUpdate=!0}draw(e,t){let i=this.#h;if(i===null)return;let s=this.#p(e),r=ro(i,e);if(r===null){let o=t&&this.#f>0?Math.max(Kn,tM/this.#f):1/0;this.#d(i,e,s,Math.min(i.shown.length,Math.floor(o)))}else this.#a.geometry.setIndex(new Ct(r,1)),this.#r.uniforms.size.value=so(r.length)*s,this.#_(this.#a,null)}measure(e){let t=this.#h;if(t===null)return 0;let i=this.#p(e),s=Math.min(Kn,t.plane.count),r=this.#o.geometry,o=new kt;for(let[l,c]of Object.entries(r.attributes)){let{array:u,itemSize:h,normalized:f}=c;o.setAttribute(l,new Ct(u.slice(0,s*h),h,f))}this.#o.geometry=o;let a=0;for(let l=0;l<2;l++){let c=performance.now();this.#d(t,e,i,s),this.#y(),a=performance.now()-c}return this.#o.geometry=r,o.dispose(),this.#f=a/Math.max(1,s),this.#f*t.shown.length}dispose(){this.#e.dispose(),this.#i.dispose(),this.#o.geometry.dispose(),this.#a.geometry.dispose(),this.element.remove()}#d(e,t,i,s){let r=io(e.shown.length);this.#s.uniforms.size.value=(2*r+1)*i,this.#o.geometry.setDrawRange(0,s),this.#g(e,t,r,s),this.#_(this.#o,this.#i),this.#_(this.#c,null)}#g({plane:e,shown:t},i,s,r){let o=Math.min(Kn,r),a=(2*s+1)*Math.sqrt(r/Math.max(1,o))*un(i),[[l,c],[u,h]]=[i.x,i.y],f=Math.ceil((c-l)/a)+1,d=new Uint32Array(f*(Math.ceil((h-u)/a)+1));for(let g=0;g<o;g++){let[p,x]=[e.x[t[g]],e.y[t[g]]];if(p<l||p>c||x<u||x>h)continue;let b=Math.floor((x-u)/a)*f+Math.floor((p-l)/a);d[b]=d[b]+1}let m=ec(d,0,1),y=this.#l.image.data;for(let g=0;g<yr;g++)y[g]=255*m[Math.min(g,m.length-1)];this.#l.needsUpdate=!0}#p(e){let t=Math.min(2,devicePixelRatio),[i,s]=[Math.round(e.widthPx*t),Math.round(e.heightPx*t)];(this.element.width!==i||this.element.height!==s)&&(this.#e.setSize(i,s,!1),this.#i.setSize(i,s));let[[r,o],[a,l]]=[e.x,e.y];return Object.assign(this.#n,{left:r,right:o,top:l,bottom:a,near:-1,far:1}),this.#n.updateProjectionMatrix(),t}#_(e,t){this.#e.setRenderTarget(t),this.#e.clear(),this.#e.render(e,e===this.#c?new Ii:this.#n)}#y(){this.#t.readPixels(0,0,1,1,this.#t.RGBA,this.#t.UNSIGNED_BYTE,new Uint8Array(4))}#m(e,t){for(let i of[this.#o,this.#a]){i.geometry.dispose();let{geometry:s}=i;i.geometry=new kt;for(let[r,o]of Object.entries(s.attributes))i.geometry.setAttribute(r,o);i.geometry.setAttribute(e,t)}}};function gu(n,e,t){return new on({vertexShader:n,fragmentShader:e,uniforms:Object.fromEntries(Object.entries(t).map(([i,s])=>[i,{value:s}])),depthTest:!1,depthWrite:!1,blending:la,blendEquation:Vn,blendSrc:ir,blendDst:e===wp?ir:sr})}function rM({colouring:n}){let e=n.colours.map(Zr),t=new Uint8Array(4*n.codes.length);for(let i=0;i<n.codes.length;i++){let[s,r,o]=e[n.codes[i]];t[4*i]=s,t[4*i+1]=r,t[4*i+2]=o}return t}var oM=12,aM=.3,lM=.15,cM=120,uM=300,hM=1e5,fM=150,el=class{element=document.createElement("div");#e=document.createElement("canvas");#t;#n=new Map;#i;#s=null;#r=new Uint8Array(0);#l;#o=null;#a=null;#c=0;#h=0;#u=!1;constructor(e,t){this.#l=e,this.#t=t,this.element.className="map-canvas",this.#i=xr.in(document.createElement("canvas"),()=>this.#m())??new Fs,this.element.append(this.#i.element,this.#e),this.element.dataset.painter=this.#i.kind,new ResizeObserver(()=>this.#_()).observe(this.element)}show(e,t){let i=this.#s?.plane;i!==void 0&&i!==e.plane&&(this.#l=null,this.#o=null),this.#s=e,this.#r=t,this.#i.show(e),i!==e.plane&&this.#y(),this.drawSoon()}get plane(){return this.#s?.plane??null}get window(){return this.#a===null||this.#s===null?null:ef(this.#l??tf(this.#s.plane.sides,...this.#a),...this.#a)}get view(){return this.#l}fit(){this.#l=null,this.drawSoon()}zoom(e,t,i){let s=this.window;if(s===null)return;let[r,o]=vi(s,t??s.widthPx/2,i??s.heightPx/2),[a,l]=vi(s,s.widthPx/2,s.heightPx/2);this.#f([r+(a-r)*e,o+(l-o)*e,un(s)*e],!0)}move(e,t){let i=this.window;if(i===null)return;let s=aM*Math.min(i.widthPx,i.heightPx);this.drag(-e*s,t*s)}drag(e,t){let i=this.window;i!==null&&this.#f([...vi(i,i.widthPx/2-e,i.heightPx/2-t),un(i)],!0)}goTo(e){let[t,i]=[this.window,this.plane],s=i?.indexOf(e)??null;if(t===null||i===null||s===null)return;let r=Math.max(...i.sides.map(([a,l])=>lM*(l-a)))/t.widthPx,o=Math.min(un(t),r||un(t));this.#f([i.x[s],i.y[s],o],!1)}turn(e){this.plane?.turn(...e),this.#i.turn(e),this.#o=null,this.#d()}at(e,t){let[i,s]=[this.window,this.plane];if(i===null||s===null)return null;let r=s.nearest(...vi(i,e,t),i,oM,this.#r);return r===null?null:s.rows[r]}mark(e,t){this.#n.set(e,t),this.#p()}outline(e){this.#o=e,this.#p()}drawSoon(){this.#c===0&&(this.#c=requestAnimationFrame(()=>this.#g()))}#f(e,t){!e.every(i=>Number.isFinite(i))||e[2]<1e-8||e[2]>1e6||(this.#l=e,t?this.#d():this.drawSoon())}#d(){this.#u=!0,clearTimeout(this.#h),this.#h=window.setTimeout(()=>{this.#u=!1,this.drawSoon()},cM),this.drawSoon()}#g(){this.#c=0;let e=this.window;e!==null&&(this.#i.draw(e,this.#u),this.#p(),this.#t(),this.#u||setTimeout(()=>this.plane?.prepare(),uM))}#p(){let[e,t]=[this.window,this.plane];if(e===null||t===null)return;let i=devicePixelRatio;this.#e.width=Math.round(e.widthPx*i),this.#e.height=Math.round(e.heightPx*i);let s=this.#e.getContext("2d");s.scale(i,i),this.#o!==null&&Uf(s,this.#o,e);for(let[r,o]of this.#n)Df(s,r,o,t,e)}#_(){let{clientWidth:e,clientHeight:t}=this.element;if(e<1||t<1)return;let i=this.#a===null;this.#a=[e,t],i&&this.#y(),cancelAnimationFrame(this.#c),this.#g()}#y(){let e=this.window;e===null||this.#s===null||!(this.#i instanceof xr)||this.#s.plane.count>hM&&this.#i.measure(e)>fM&&this.#m()}#m(){if(this.#i.kind==="canvas")return;let e=this.#i;this.#i=new Fs,e.element.before(this.#i.element),e.dispose(),this.element.dataset.painter=this.#i.kind,this.#s!==null&&this.#i.show(this.#s),this.drawSoon()}};var dM=300,Ap=60,pM=1e4,mM=350,gM=`
.actions a { text-decoration: none; }
.nothing { display: grid; place-items: center; aspect-ratio: 1; max-width: 272px; border-radius: 6px; background: var(--line);
  color: var(--quiet); font-size: 11px; text-align: center; }
.download { width: 100%; margin-top: 10px; padding: 6px 12px; font-size: 13px; }`,tl=class{notice;status;tip;picked;selected;bar=ce("div",{class:"map-bar"});plot=ce("div",{class:"map-plot"});middle=ce("section",{class:"map-main","aria-label":"Map"});main;#e=ce("p",{class:"quiet"},"Loading the map …");constructor(e){let t=new CSSStyleSheet;t.replaceSync(Zh+gM),[this.notice,this.status,this.tip,this.picked,this.selected]=Array.from({length:5},()=>new $r(t)),this.main=e,e.classList.add("map-page"),this.bar.append(this.status.element),this.middle.append(this.notice.element,this.bar,this.plot);let i=ce("section",{class:"map-details","aria-label":"Picked points"});i.append(this.picked.element,this.selected.element),e.replaceChildren(this.middle,i),this.notice.element.setAttribute("role","status"),this.status.show(this.#e)}loading(e,t){let i=s=>(s/1e6).toFixed(1);this.#e.textContent=`Loading the map … ${i(e)}${t===null?"":` of ${i(t)}`} MB`}stop(e){this.notice.show(...Ds([e])),this.status.show(),this.plot.remove()}},nl=class{constructor(e,t,i){this.frame=e;this.opened=t;let{site:s,points:r,numbers:o,positions:a}=t,l=d=>s.words.reduce((m,[y,g])=>m.replaceAll(y,g),d),c=new Map([...o].filter(([d])=>Object.hasOwn(Et,d)));this.#e=new jr(r,c,a),this.#s={points:r,numbers:c,hasPictures:s.has_pictures,words:l,...t.addresses};let{columns:u}=this.#e;if(this.#e.flat.count===0)throw new Ke(`no ${l("synapse")} of this release of ${s.entry} has a place on a map`);if(u.size===0)throw new Ke(`this release of ${s.entry} has no classes and no scores to colour a map by`);let[h,f]=_f(i,{columns:u,classes:new Map([...r.categories.values()].map(({name:d,names:m})=>[d,m])),hasSpace:a.space!==null,check:d=>{r.select(d,c)}});this.#r=f,(i.has("place")||i.has("upload"))&&f.push("a place or a picture of your own cannot be searched with here: that needs the explorer, and its encoder"),this.#t=new el(h.view,()=>this.#S()),this.#n=new Kr(r,u,h,a.space!==null,l,{recolour:()=>this.#u(),refresh:()=>this.#d(),refilter:()=>this.#f(),goTo:d=>this.#w(d),changeSides:()=>this.#g(),turn:()=>this.#p(),selectView:()=>this.#A(),zoom:d=>this.#t.zoom(d),move:(d,m)=>this.#t.move(d,m),fit:()=>this.#t.fit()}),this.#i=new to(s,this.#e,this.#t,t.similar,l,()=>this.#x()),this.#h(),this.#e.project(this.#n.turn),this.#u(h.hidden),h.question.synapseId&&this.#T(h),window.addEventListener("pagehide",()=>this.#v())}frame;opened;#e;#t;#n;#i;#s;#r;#l=null;#o=null;#a=null;#c=0;#h(){let{frame:e}=this;e.main.prepend(this.#n.side),e.bar.append(this.#n.tools),e.plot.before(this.#n.turns);let t=ce("div",{class:"map-tip"},this.frame.tip.element);e.plot.append(this.#t.element,this.#n.steers,t),e.picked.show(Af(this.#s));let{element:i}=this.#t;i.tabIndex=0,i.setAttribute("role","application"),i.setAttribute("aria-label","Map: arrow keys move it, plus and minus zoom, Home shows all of it"),cf(this.#t,{mode:()=>this.#n.mode,hover:s=>this.#_(s),click:(s,r)=>{let o=this.#t.at(s,r);o!==null&&this.#m(o)},doubleClick:(s,r)=>this.#b(s,r),turnBegins:()=>this.#n.beginTurn(),turn:(s,r)=>this.#n.dragTurn(s,r),draw:s=>this.#M(s)})}#u(e=[]){this.#e.colourBy(this.#n.colour),this.#n.offerLines(this.#e.colouring,e),this.#d()}#f(){this.#d(),this.#i.question.synapseId&&this.#i.searchAmong(this.#n.filters)}#d(){let e=this.#e.show(this.#n.filters,this.#n.on);this.#n.countLines(e),this.#y(),this.#t.show(this.#e.content,this.#e.shown),this.#x()}#g(){let{hidden:e}=this.#n;this.#e.project(this.#n.turn),this.#u(e)}#p(){let{turn:e}=this.#n;e!==null&&this.#t.turn(e)}#_(e){let t=e===null?null:this.#t.at(...e),i=this.#t.window;if(t===null||e===null||i===null){this.#y();return}if(t===this.#l)return;this.#l=t,this.#t.mark("hovered",[t]),this.#t.element.style.cursor="pointer";let[s,r]=e,{tip:o}=this.frame,a=s>i.widthPx/2;o.element.style.left=a?"":`${s+18}px`,o.element.style.right=a?`${i.widthPx-s+18}px`:"",o.element.style.top=`${Math.max(4,Math.min(r-60,i.heightPx-dM))}px`,o.show(wf(this.#s,t)),this.opened.fill(o.root)}#y(){this.#l!==null&&(this.#l=null,this.#t.mark("hovered",[]),this.#t.element.style.cursor="",this.frame.tip.show())}#m(e){this.#o=e,this.frame.picked.show(Ef(this.#s,e)),this.opened.fill(this.frame.picked.root),this.#t.mark("picked",[e])}#b(e,t){let i=this.#t.at(e,t);i===null||i!==this.#o||!this.#s.hasPictures||(this.#v(),location.assign(this.#s.searchUrl(this.#e.points.ids[i])))}#w(e){if(e.trim())try{let t=this.#e.points.row(e);this.#m(t),this.#t.goTo(t)}catch(t){if(!(t instanceof Ke))throw t;this.frame.picked.show(...Ds([t.message]))}}#A(){let{window:e}=this.#t;e!==null&&this.#M({type:"rect",x:e.x,y:e.y})}#M(e){let{points:t,plane:i,colouring:s,shown:r}=this.#e,{selected:o}=this.frame,a=i.inside(e,r),l=a.map(y=>i.rows[y]);if(l.length===0){o.show(...Ds([this.#s.words("no shown synapse lies inside")]));return}let c=new Uint8Array(i.count);for(let y of a)c[y]=1;let u=Array.from(l.subarray(0,pM),y=>t.ids[y]),h=Array.from(l.subarray(0,Ap)),f=Array.from(a.subarray(0,Ap),y=>s.colours[s.codes[y]]),d=Rf(this.#s,s,Yr(s,c)),m=ce("button",{type:"button",class:"download"},"Download as CSV");m.addEventListener("click",()=>this.#E(l)),o.show(ce("div",{class:"card"},ce("div",{},...d,...Cf(u,l.length)),ce("div",{},...Tf(this.#s,h,f,l.length))),m),this.opened.fill(o.root)}#E(e){let{site:t}=this.opened,i=Sf(this.#e.points,this.#s.numbers,this.#e.positions.map,e),s=URL.createObjectURL(i);ce("a",{href:s,download:`${t.entry}_selection.csv`}).click(),setTimeout(()=>URL.revokeObjectURL(s),6e4)}#T(e){try{let t=this.#i.begin(e.question,this.#n.filters);this.#m(t),this.#t.mark("picked",[])}catch(t){if(!(t instanceof Ke))throw t;this.#r.push(t.message)}this.#x()}#x(){let{points:e,plane:t,shown:i}=this.#e,{filters:s}=this.#n,r=i.reduce((c,u)=>c+u,0),a=e.areOfClusters([this.#n.colour,...s.anyOf.keys(),...s.least.keys()])?Pf(this.#s):null;this.frame.status.show(If(this.#s,r,t.count,e.length,a,this.#i.caption));let l=this.#s.words("no synapse is left: the filters, or the legend, leave out all of them");this.frame.notice.show(...Ds(r>0?this.#r:[...this.#r,l])),this.#S()}#S(){let e=gf({colour:this.#n.colour,hidden:this.#n.hidden,turn:this.#n.turn,view:this.#t.view,filters:this.#n.filters,question:this.#i.question});this.#n.link.setAttribute("href",`?${e}`),this.#a??=e,e!==this.#a&&(this.#a=e,clearTimeout(this.#c),this.#c=window.setTimeout(()=>this.#v(),mM))}#v(){this.#c!==0&&(clearTimeout(this.#c),this.#c=0,history.replaceState(history.state,"",`?${this.#a}`))}};var _u=new URL(`${document.body.dataset.root??"."}/`,document.baseURI),il=document.body.dataset.entry??"",Ep=document.querySelector("main");Ep!==null&&location.protocol!=="file:"&&_M(Ep);async function _M(n){let e=new URL(`${xi(il)}/browse/`,_u).href;document.head.append(ce("style",{},Cu,Yh));let t=new tl(n);try{let i=await Xr.open(e,(d,m)=>t.loading(d,m)),{site:s}=i,[r,o,a]=await Promise.all([i.points(),i.numbers(),i.map()]),l=new qr(e,()=>Promise.resolve(s)),{at:c,card_url:u}=$h(_u.href.replace(/\/$/,"")),h=new URLSearchParams(location.search),f={site:s,points:r,numbers:o,positions:a,similar:yM(e),addresses:{cardUrl:d=>u(il,d),searchUrl:d=>`${c(il)}/search/?synapse_id=${xi(d)}`,clustersUrl:"clusters"in s.pages?`${c(il)}/clusters/`:null},fill:d=>l.fill(d)};new nl(t,f,h)}catch(i){i instanceof Ke||i instanceof Lt||console.error(i),t.stop(i instanceof Ke||i instanceof Lt?i.message:"the map could not be shown, because something failed here that should not; the browser's console says what")}}function yM(n){let e=null;return async t=>{e??=Bu(new URL("look/",_u).href,n);let i=await e,{content:s}=await i({page:"search",parameters:[...t],cluster:""},()=>{});if(typeof s.reason=="string")throw new Ke(s.reason);return s.found.flatMap(({tiles:o})=>o.map(a=>a.synapse_id))}}})();
